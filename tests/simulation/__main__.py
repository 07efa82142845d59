"""Runs one schedule, or looks for one that breaks a promise.

python -m tests.simulation '7:1.5 write ada.phone ben 3;0.2 kill 0'
python -m tests.simulation --seeds 0 5000 --nodes 1
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator

from tests.simulation.schedule import Schedule
from tests.simulation.search import report, shrunk
from tests.simulation.world import World, run


def _try(schedule: Schedule) -> tuple[Schedule, list[str], int]:
    world = World(schedule)
    return schedule, world.run(), world.time.turns


def _schedules(first: int, last: int, nodes: int) -> Iterator[Schedule]:
    return (Schedule.of(seed, nodes) for seed in range(first, last))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("schedule", nargs="?", help="as a failure prints it")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 1000), metavar=("FIRST", "END"))
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    if args.schedule:
        broken = run(Schedule.parse(args.schedule))
        print("\n".join(broken) or "all promises were kept")
        return int(bool(broken))
    began = time.perf_counter()
    count = turns = failed = 0
    with multiprocessing.Pool(args.processes) as pool:
        for schedule, broken, steps in pool.imap(
            _try, _schedules(args.seeds[0], args.seeds[1], args.nodes), chunksize=8
        ):
            count, turns = count + 1, turns + steps
            if broken:
                failed += 1
                print(report(shrunk(schedule, broken[0].partition(":")[0]), broken), flush=True)
    seconds = time.perf_counter() - began
    print(
        f"{count} schedules, {failed} of them broke a promise; {count / seconds * 60:.0f} a minute, "
        f"{turns / count:.0f} turns each, {turns / seconds:.0f} turns a second"
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
