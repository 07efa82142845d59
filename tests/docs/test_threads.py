"""docs/threads.md names every place that starts threads, hands work to other threads, or starts processes."""

from __future__ import annotations

import ast
import re
import threading
from pathlib import Path

import pytest

from kith.store.sqlite import SQLiteStore

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "kith"
PAGE = (ROOT / "docs" / "threads.md").read_text()
#: What moves work off the loop's thread, by the last part of the name that is called.
STARTERS = {
    *("Thread", "Timer", "start_new_thread", "to_thread", "run_in_executor", "ThreadPoolExecutor"),
    *("Process", "ProcessPoolExecutor", "Popen", "create_subprocess_exec", "create_subprocess_shell", "fork"),
}


def called(path: Path) -> set[str]:
    """The last parts of the names that a file calls."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


def starters() -> set[str]:
    return {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if called(path) & STARTERS}


def thread_names() -> set[str]:
    """The names that `threading.Thread` is given, up to a placeholder."""
    names = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        if "threading.Thread(" in text:
            names |= set(re.findall(r'(?:name=f?|_THREAD = )"(kith-[a-z-]+)', text))
    return names


def test_every_place_that_leaves_the_loops_thread_is_in_the_page() -> None:
    assert starters()
    missing = {path for path in starters() if f"`{path}`" not in PAGE}
    assert not missing, "docs/threads.md has to say what runs there, and what it may touch"


def test_the_page_names_no_place_that_starts_nothing() -> None:
    tables = [line for line in PAGE.splitlines() if line.startswith("|")]
    named = set(re.findall(r"`([\w/]+\.py)`", "\n".join(tables)))
    assert named <= starters() | {"server.py"}


def test_every_thread_has_a_name_and_a_row() -> None:
    assert len(thread_names()) >= 4
    for name in thread_names():
        assert re.search(rf"^\| `{name}", PAGE, re.MULTILINE), name


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_thread_is_started_without_a_name(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "Thread":
            assert "name" in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


async def test_queries_run_on_the_readers_threads(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "kith.sqlite")
    await store.open()
    seen: list[str] = []

    def key(account: int) -> str:
        seen.append(threading.current_thread().name)
        return ""

    try:
        await store.account_with("ada@localhost", "space", key)
    finally:
        await store.close()
    assert seen
    assert seen[0].startswith("kith-read-")
