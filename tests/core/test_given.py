"""Time and randomness are given to what behaves by them, never taken: a test can repeat what happened."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from kith.base.randomness import Randomness

SOURCES = Path(__file__).parents[2] / "src" / "kith"
ROOMS = (
    "base",
    "bus",
    "core",
    "records",
    "accounts",
    "api",
    "features",
    "federation",
    "ports",
    "sms",
    "wire",
)
#: The two that give it.
GIVERS = {SOURCES / "base" / "clock.py", SOURCES / "base" / "randomness.py"}
TAKEN = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "clock_gettime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "uuid": {"uuid1", "uuid4", "uuid6", "uuid7"},
    "os": {"urandom", "getrandom"},
    "loop": {"time"},
}
#: What is of the present time if no other is given.
UNSAID = {"localtime", "gmtime", "ctime", "asctime"}
#: Modules of which nothing is to be used.
CLOSED = {"secrets", "random"}


def takings(source: str) -> Iterator[str]:
    """What of a file takes time or randomness itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names if name.name in CLOSED)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            taken = TAKEN.get(node.module, set()) if node.module != "datetime" else set()
            yield from (
                f"from {node.module} import {name.name}"
                for name in node.names
                if node.module in CLOSED or name.name in taken
            )
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
            if node.func.attr in UNSAID:
                yield node.func.attr
        elif isinstance(node, ast.Attribute):
            owner = node.value
            if isinstance(owner, ast.Call):
                owner = owner.func
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            name = "loop" if name.endswith(("loop", "get_running_loop")) else name
            if node.attr in TAKEN.get(name, ()):
                yield f"{name}.{node.attr}"


def test_no_file_takes_time_or_randomness_itself() -> None:
    files = [path for room in ROOMS for path in (SOURCES / room).rglob("*.py") if path not in GIVERS]
    assert len(files) > 100
    found = {path: list(takings(path.read_text())) for path in files}
    assert {str(path.relative_to(SOURCES)): what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import secrets",
        "from random import choice",
        "from time import monotonic",
        "at = time.time()",
        "at = datetime.now(UTC)",
        "id = uuid.uuid4()",
        "now = asyncio.get_running_loop().time()",
        "now = self._loop.time()",
        "key = os.urandom(8)",
        "zone = time.localtime().tm_gmtoff",
    ],
)
def test_each_way_to_take_it_is_found(line: str) -> None:
    assert list(takings(line))


def test_randomness_of_a_seed_is_the_same_each_time() -> None:

    def drawn(seed: int) -> list[object]:
        randomness = Randomness(Random(seed))
        return [
            *(randomness.bytes(4), randomness.hex(4), randomness.token(4), randomness.uuid()),
            *(randomness.below(1000), randomness.choice("abcdef"), randomness.uniform(0, 1)),
        ]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_randomness_of_the_system_can_not_be_guessed() -> None:
    randomness = Randomness()
    assert len({randomness.token(16) for _ in range(1000)}) == 1000
    assert all(len(randomness.hex(8)) == 16 for _ in range(10))
    assert {randomness.below(3) for _ in range(1000)} == {0, 1, 2}
    assert all(0.8 <= randomness.uniform(0.8, 1.2) <= 1.2 for _ in range(1000))


def unused(source: str) -> Iterator[str]:
    """Parts that a class asks for in its constructor and does not use."""
    tree = ast.parse(source)
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_read(node)}
    for cls in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for method in (node for node in cls.body if isinstance(node, ast.FunctionDef)):
            if method.name != "__init__":
                continue
            names = {arg.arg for arg in (*method.args.args, *method.args.kwonlyargs)} - {"self"}
            kept = {
                node.targets[0].attr: node.value.id
                for node in ast.walk(method)
                if isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Attribute)
                and isinstance(node.value, ast.Name)
            }
            private = {name for name, of in kept.items() if name.startswith("_") and of in names}
            yield from (f"{cls.name}.{name}" for name in private - used)
            read = {node.id for node in ast.walk(method) if isinstance(node, ast.Name)}
            yield from (f"{cls.name}: {name}" for name in names - read)


def _is_read(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def test_nothing_is_asked_for_that_is_not_used() -> None:
    paths = [path for room in ("features", "accounts", "api") for path in (SOURCES / room).rglob("*.py")]
    found = {path.name: list(unused(path.read_text())) for path in paths}
    assert {name: what for name, what in found.items() if what} == {}


def test_what_is_asked_for_in_vain_is_found() -> None:
    constructor = "class A:\n def __init__(self, x, y, z):\n  self._x = x\n  self._y = y\n"
    assert list(unused(f"{constructor} def f(self):\n  return self._y")) == ["A._x", "A: z"]
