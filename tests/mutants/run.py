"""Plants faults, one after the other, and runs the tests that have to find them.

    python -m tests.mutants.run codes PINs          parts of `tests.mutants.plan`, with all their faults
    python -m tests.mutants.run --most 100          all parts, a hundred faults of each file
    python -m tests.mutants.run --changed           the lines that differ from the branch main
    python -m tests.mutants.run src/kith/wire/jid.py

Prints each fault that no test has found, and a table. Exit status 1 if more than one in ten was not found.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from tests.mutants.mutate import Mutant, mutants
from tests.mutants.plan import PARTS, tests_for
from tests.mutants.plant import NotHere, plant

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/kith"
WORK = ROOT / ".mutants"
#: The share that tests have to find.
ENOUGH = 0.9
#: How long clients wait for a server, in seconds.
_PATIENCE = "6"
_OPTIONS = (
    *("-x", "-q", "-s", "--no-header", "--tb=short", "--timeout=0"),
    *("-p", "no:cacheprovider", "-p", "no:xdist"),
)


class Place:
    """A copy of the source, from which the processes that the tests start have the fault."""

    def __init__(self, number: int) -> None:
        self.folder = WORK / str(number)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(SOURCE, self.folder / "kith", ignore=shutil.ignore_patterns("__pycache__"))
        self.log = WORK / f"{number}.log"
        self.temporary = WORK / f"{number}.tmp"
        self._moment = int(time.time()) + 10

    def write(self, file: Path, source: str) -> None:
        """Writes a file so that nobody takes what was compiled of it before."""
        there = self.folder / "kith" / file.relative_to(SOURCE)
        there.write_text(source)
        self._moment += 2
        os.utime(there, (self._moment, self._moment))


class Planter:
    """A plugin of pytest: instead of running the tests that were collected once, it runs them for each fault,
    each time in a copy of the process.

    ``counts``: faults by what has found them: ``tests``, ``time`` (it went on for ever), or nothing.
    """

    def __init__(self, file: Path, faults: Sequence[Mutant], places: Sequence[Place], until: float) -> None:
        """``until``: when no other fault is begun."""
        self.file = file
        self.faults = deque(faults)
        self.places = list(places)
        self.until = until
        self.counts: Counter[str] = Counter()
        self.copied = False  # whether this is one of the copies
        self.sound = True
        self._source = file.read_text()
        name = ".".join(("kith", *file.relative_to(SOURCE).with_suffix("").parts))
        self._module = importlib.import_module(name.removesuffix(".__init__"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Returns None where the tests are to run."""
        self._config = session.config
        began = time.monotonic()
        pid = self._fork(self.places[0], None)
        if not pid:
            return None
        if os.waitpid(pid, 0)[1]:
            self.sound = False
            print(f"the tests fail without a fault:\n{self.places[0].log.read_text()[-4000:]}")
            return True
        return self._all(20 + 4 * (time.monotonic() - began))

    def _all(self, limit: float) -> bool | None:
        """``limit``: how many seconds the tests of one fault may take."""
        free = list(self.places)
        running: dict[int, tuple[Place, Mutant, float]] = {}
        while self.faults or running:
            if time.monotonic() > self.until:
                self.faults.clear()
            while self.faults and free:
                place, fault = free.pop(), self.faults.popleft()
                pid = self._fork(place, fault)
                if not pid:
                    return None
                running[pid] = place, fault, time.monotonic()
            time.sleep(0.01)
            for pid, (place, fault, began) in list(running.items()):
                over = time.monotonic() - began > limit
                if over:
                    _end(pid)
                done, status = os.waitpid(pid, 0 if over else os.WNOHANG)
                if not done:
                    continue
                _end(pid)  # what its tests have started
                del running[pid]
                place.write(self.file, self._source)
                free.append(place)
                by = "time" if over else "tests" if status else ""
                self.counts[by] += 1
                if not by:
                    print(f"not found: {fault}\n", flush=True)
        return True

    def _fork(self, place: Place, fault: Mutant | None) -> int:
        """Returns 0 in the copy, where the fault is."""
        if fault is not None:
            place.write(self.file, fault.source)
        if pid := os.fork():
            return pid
        self.copied = True
        os.setsid()
        output = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["PYTHONPATH"] = str(place.folder)
        # or the copies would clear away each other's files
        shutil.rmtree(place.temporary, ignore_errors=True)
        place.temporary.mkdir()
        self._config._tmp_path_factory._basetemp = place.temporary  # type: ignore[attr-defined]
        if fault is not None:
            try:
                plant(self._module, fault.source)
            except NotHere:
                _begin_anew([f"--basetemp={place.temporary}", *self.tests])
            except BaseException as error:  # the module can't even be imported
                print(f"not to be imported: {error!r}")
                os._exit(1)
        return 0

    tests: Sequence[str] = ()


def _begin_anew(arguments: Sequence[str]) -> NoReturn:
    """All is imported with the fault in it."""
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *_OPTIONS, *arguments])


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def changed() -> dict[Path, set[int] | None]:
    """Which lines of which files are not as on the branch main."""
    command = ["git", "diff", "-U0", "main", "--", "src/kith"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found: dict[Path, set[int] | None] = {}
    for line in lines:
        if line.startswith("+++ "):
            places: set[int] = set()
            if line.startswith("+++ b/") and line.endswith(".py"):
                found[ROOT / line[6:]] = places
        elif match := re.match(r"@@ \S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(match[1]), int(match[2] or 1)
            places.update(range(first, first + count))
    return found


def find(file: Path, faults: Sequence[Mutant], places: Sequence[Place], until: float) -> Counter[str]:
    """Runs the tests for these faults of one file. Ends the program if they fail without."""
    planter = Planter(file, faults, places, until)
    planter.tests = [one for one in tests_for(str(file.relative_to(SOURCE))) if (ROOT / one).exists()]
    status = pytest.main([*_OPTIONS, *planter.tests], plugins=[planter])
    if planter.copied:
        sys.stdout.flush()
        os._exit(status)
    if not planter.sound or not planter.counts:
        sys.exit(f"{file}: there is nothing to be learnt")
    return planter.counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", help="parts, or files; all parts if there is none")
    parser.add_argument("--changed", action="store_true", help="what differs from the branch main")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--most", type=int, default=0, help="so many faults of each file, chosen at random")
    parser.add_argument("--minutes", type=float, default=0, help="begin no other fault after so long")
    args = parser.parse_args()
    wanted: dict[Path, set[int] | None]
    if args.changed:
        wanted = changed()
    else:
        names = args.what or list(PARTS)
        files = [(ROOT / name).resolve() for name in names if name not in PARTS]
        files += [SOURCE / file for name in names if name in PARTS for file in PARTS[name]]
        wanted = dict.fromkeys(files)
    os.environ["TEST_PATIENCE"] = _PATIENCE
    sys.path.insert(0, str(SOURCE.parent))
    WORK.mkdir(exist_ok=True)
    places = [Place(number) for number in range(args.workers)]
    began = time.monotonic()
    until = began + args.minutes * 60 if args.minutes else math.inf
    table: dict[str, Counter[str]] = {}
    for file, lines in wanted.items():
        name = str(file.relative_to(SOURCE))
        faults = mutants(file, lines) if tests_for(name) else []
        if args.most and len(faults) > args.most:
            faults = random.Random(1).sample(faults, args.most)
        if faults and time.monotonic() < until:
            print(f"{name}: {len(faults)} faults", flush=True)
            table[name] = find(file, faults, places, until)
    return _report(table, time.monotonic() - began)


def _report(table: dict[str, Counter[str]], seconds: float) -> int:
    enough = True
    for file, counts in table.items():
        share = 1 - counts[""] / counts.total()
        enough = enough and share >= ENOUGH
        print(
            f"{file:28} {counts.total():4} faults, {share:4.0%} found: {counts['tests']} by tests, "
            f"{counts['time']} by time, {counts['']} not"
        )
    print(f"{seconds / 60:.0f} minutes")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
