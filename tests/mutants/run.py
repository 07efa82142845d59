"""Plants faults in a copy of the source, one after the other, and runs the tests that have to find them.

    python -m tests.mutants.run codes PINs          parts of `tests.mutants.plan`, with all their faults
    python -m tests.mutants.run --changed           the lines that differ from the branch main
    python -m tests.mutants.run src/kith/wire/jid.py

Prints each fault that no test has found, and a table. Exit status 1 if more than one in ten was not found.
"""

from __future__ import annotations

import argparse
import contextlib
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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutants.mutate import Mutant, mutants
from tests.mutants.plan import PARTS, tests_for

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/kith"
WORK = ROOT / ".mutants"
#: The share that tests have to find.
ENOUGH = 0.9
#: What the copies of this process need not import again; nothing of `kith`.
_WARM = (
    *("aiohttp", "argon2", "cryptography.x509", "hypothesis", "lxml.etree", "msgspec"),
    *("phonenumbers", "psutil", "slixmpp", "structlog", "uvloop"),
)
_QUIET = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=60")
_PATIENCE = "6"


class Found(NamedTuple):
    """``by``: what has found the fault: ``tests``, ``time`` (it went on for ever), ``types``, or nothing."""

    mutant: Mutant
    by: str
    seconds: float


class Place:
    """A copy of the source, for one fault at a time."""

    def __init__(self, number: int) -> None:
        self.folder = WORK / str(number)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(SOURCE, self.folder / "src/kith", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", self.folder)
        self.log = self.folder / "log"
        self._moment = int(time.time()) + 10
        self._read: dict[Path, str] = {}

    def plant(self, file: Path, source: str) -> None:
        """Writes a file so that nobody takes what was compiled of it before."""
        there = self.folder / file.relative_to(ROOT)
        self._read.setdefault(file, there.read_text())
        there.write_text(source)
        self._moment += 2
        os.utime(there, (self._moment, self._moment))

    def heal(self, file: Path) -> None:
        """Takes the fault out again."""
        self.plant(file, self._read[file])

    def start(self, tests: Sequence[str]) -> int:
        """Runs the tests in a process of their own. Returns its id."""
        if pid := os.fork():
            return pid
        os.setsid()
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        source = str(self.folder / "src")
        os.environ |= {"PYTHONPATH": source, "TEST_PATIENCE": _PATIENCE}
        sys.path.insert(0, source)
        status: int = 3
        try:
            status = int(pytest.main([*_QUIET, f"--basetemp={self.folder / 'tmp'}", *tests]))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def types(self) -> bool:
        """Whether mypy accepts what is there."""
        command = [sys.executable, "-m", "mypy", "--cache-dir", str(WORK / "types"), "--no-error-summary"]
        return not subprocess.run(command, cwd=self.folder, capture_output=True, check=False).returncode


class Run:
    """Faults and their tests, so many at the same time."""

    def __init__(self, workers: int) -> None:
        self.places = [Place(number) for number in range(workers)]

    def baseline(self, tests: Sequence[str]) -> float:
        """How long they take without a fault, in seconds. Ends the program if they fail."""
        began = time.monotonic()
        _, status = os.waitpid(self.places[0].start(tests), 0)
        if status:
            sys.exit(f"the tests fail without a fault:\n{self.places[0].log.read_text()[-4000:]}")
        return time.monotonic() - began

    def all(
        self, faults: Iterable[Mutant], tests: Sequence[str], limit: float, until: float
    ) -> Iterable[Found]:
        """``limit``: how many seconds the tests of one may take; ``until``: when none is begun any more."""
        waiting = deque(faults)
        free = list(self.places)
        running: dict[int, tuple[Place, Mutant, float]] = {}
        while waiting or running:
            if time.monotonic() > until:
                waiting.clear()
            while waiting and free:
                place, mutant = free.pop(), waiting.popleft()
                place.plant(mutant.path, mutant.source)
                running[place.start(tests)] = place, mutant, time.monotonic()
            time.sleep(0.02)
            for pid, (place, mutant, began) in list(running.items()):
                over = time.monotonic() - began > limit
                if over:
                    _end(pid)
                done, status = os.waitpid(pid, 0 if over else os.WNOHANG)
                if not done:
                    continue
                _end(pid)  # what its tests have started
                del running[pid]
                by = "time" if over else "tests" if status else self._types(place)
                yield Found(mutant, by, time.monotonic() - began)
                place.heal(mutant.path)
                free.append(place)

    def _types(self, place: Place) -> str:
        return "" if place.types() else "types"


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def changed() -> dict[Path, set[int]]:
    """Which lines of which files are not as on the branch main."""
    command = ["git", "diff", "-U0", "main", "--", "src/kith"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found: dict[Path, set[int]] = {}
    for line in lines:
        if line.startswith("+++ b/"):
            file = ROOT / line[6:]
        elif match := re.match(r"@@ \S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(match[1]), int(match[2] or 1)
            found.setdefault(file, set()).update(range(first, first + count))
    return found


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
        wanted = {file: lines for file, lines in changed().items() if file.suffix == ".py"}
    else:
        names = args.what or list(PARTS)
        files = [ROOT / name for name in names if name not in PARTS]
        files += [SOURCE / file for name in names if name in PARTS for file in PARTS[name][0]]
        wanted = dict.fromkeys(files)
    for name in _WARM:
        __import__(name)
    run = Run(args.workers)
    began = time.monotonic()
    until = began + args.minutes * 60 if args.minutes else math.inf
    table: dict[str, Counter[str]] = {}
    for file, lines in wanted.items():
        if not (tests := tests_for(str(file.relative_to(SOURCE)))):
            continue
        faults = mutants(file, lines)
        if args.most and len(faults) > args.most:
            faults = random.Random(1).sample(faults, args.most)
        if not faults:
            continue
        there = [test for test in tests if (ROOT / test).exists()]
        limit = 30 + 3 * run.baseline(there)
        counts = table[str(file.relative_to(SOURCE))] = Counter()
        print(f"{file.relative_to(ROOT)}: {len(faults)} faults", flush=True)
        for found in run.all(faults, there, limit, until):
            counts[found.by] += 1
            if not found.by:
                print(f"not found: {found.mutant}\n", flush=True)
    return _report(table, time.monotonic() - began)


def _report(table: dict[str, Counter[str]], seconds: float) -> int:
    enough = True
    for file, counts in table.items():
        total = counts.total()
        share = 1 - counts[""] / total
        enough = enough and share >= ENOUGH
        print(
            f"{file:32} {total:4} faults, {share:4.0%} found: {counts['tests']} by tests, "
            f"{counts['time']} by time, {counts['types']} by types, {counts['']} not"
        )
    print(f"{seconds / 60:.0f} minutes")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
