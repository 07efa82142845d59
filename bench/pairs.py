"""Whether this checkout costs more than another: the loads on both in turns, and the ratios pair by pair.

    python bench/pairs.py FOLDER [--pairs 10] [--only NAME ...]

FOLDER is the other checkout. Each pair starts both servers anew, in changing order, on the same core; so what
else the machine does meanwhile hits both. A ratio is this checkout's figure by the other's, so 1.03 is 3 %
more; of the pairs' ratios the median counts, and the quartiles say how far to trust it. CPU is the server's,
of all its threads, user and kernel.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import loads
import restart
import uvloop
from lab import OMEMO, PLAIN, Server, add_users, environment, kith, load_on_other_core
from loads import Figures

OUT = Path(__file__).parent / "out"
_PEOPLE = 400
_IDLE = 1000
_SECONDS = 4.0


async def _away(server: Server) -> Figures:
    figures = await loads.offline(server, OMEMO, 20, 500)
    return {name: figures[name] for name in ("store_us", "fetch_us")}


async def _busy(server: Server, payload: str) -> Figures:
    return {"us": (await loads.throughput(server, payload, 50, 20, _SECONDS))["us"]}


#: What is measured on one server, one after the other, by name.
LOADS: dict[str, Callable[[Server], Awaitable[Figures]]] = {
    "login": lambda server: loads.login(server, 300),
    "login with a token": lambda server: loads.token_login(server, 300),
    "away": _away,
    "plain": lambda server: _busy(server, PLAIN),
    "OMEMO": lambda server: _busy(server, OMEMO),
}


def _idle(folder: Path) -> Figures:
    with kith(folder, _IDLE) as server:
        return uvloop.run(loads.idle(server, _IDLE, tls=False))


def _restart(folder: Path) -> Figures:
    folder.mkdir()
    environ = environment(folder)
    add_users(environ, _PEOPLE)
    with load_on_other_core():
        found = uvloop.run(restart.measure(environ, _PEOPLE, tls=False))
    return {"cpu_s": found["cpu_stop_s"] + found["cpu_start_and_return_s"]}


#: What needs a server of its own, by name.
ALONE: dict[str, Callable[[Path], Figures]] = {"idle": _idle, "restart": _restart}


def measure(folder: Path, wanted: set[str]) -> Figures:
    """All figures of the server that ``PYTHONPATH`` names."""
    found: dict[str, Figures] = {}
    together = [name for name in LOADS if name in wanted]
    if together:
        with kith(folder / "work", _PEOPLE) as server:
            for name in together:
                found[name] = uvloop.run(_one(name, server))
    for name in ALONE:
        if name in wanted:
            found[name] = ALONE[name](folder / name)
    return {f"{name}: {key}": value for name, figures in found.items() for key, value in figures.items()}


async def _one(name: str, server: Server) -> Figures:
    return await LOADS[name](server)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=[*LOADS, *ALONE], default=[*LOADS, *ALONE])
    options = parser.parse_args()
    trees = {"this": Path(__file__).parent.parent, "other": options.folder}
    pairs: list[dict[str, Figures]] = []
    for number in range(options.pairs):
        pair: dict[str, Figures] = {}
        for name in sorted(trees, reverse=bool(number % 2)):
            os.environ["PYTHONPATH"] = str(trees[name].resolve() / "src")
            with tempfile.TemporaryDirectory() as folder, load_on_other_core():
                pair[name] = measure(Path(folder), set(options.only))
        pairs.append(pair)
        print(json.dumps(pair), flush=True)
    print(f"{'':28}{'this':>9}{'other':>9}   ratio (quartiles) of {len(pairs)} pairs")
    for figure in pairs[0]["this"]:
        this, other = ([pair[name][figure] for pair in pairs] for name in ("this", "other"))
        low, middle, high = statistics.quantiles([a / b for a, b in zip(this, other, strict=True)], n=4)
        values = f"{statistics.median(this):9.2f}{statistics.median(other):9.2f}"
        print(f"{figure:28}{values}   {middle:.3f} ({low:.3f} to {high:.3f})")
    OUT.mkdir(exist_ok=True)
    (OUT / "pairs.json").write_text(
        json.dumps({"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "pairs": pairs}, indent=1)
    )


if __name__ == "__main__":
    main()
