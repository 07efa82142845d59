"""``make dev``: the web app with reload, and the server behind it, by one command."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.conftest import RunningServer

ROOT = Path(__file__).parents[2]
#: Seconds until it has started on a busy machine, and until it has ended.
START, END = 90, 30


def until(holds: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "dev.log"


@pytest.fixture
def dev(tmp_path: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """As it is run in a terminal, on ports that are free."""
    environ = RunningServer(tmp_path / "data").environ
    # what is installed is not what this is about
    installed = ["-o", ".venv/.ready", "-o", "web/node_modules/.ready"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", *installed, "dev"], cwd=ROOT, env=environ, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(END)


def get(url: str) -> tuple[int, str]:
    """Status and text; 0: nobody is there."""
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except URLError as error:
        return getattr(error, "code", 0), ""


def test_it_serves_app_and_server_restarts_on_a_change_and_ends_with_ctrl_c(
    dev: subprocess.Popen[bytes], log: Path
) -> None:
    def address() -> str:
        found = re.search(r"Local:.*?(http://localhost:\S*?\d+)", re.sub(r"\x1b\[\d+m", "", log.read_text()))
        return found[1] if found else ""

    until(lambda: address() != "", START, log.read_text)
    page = get(f"{address()}/")[1]
    assert "/@vite/client" in page  # which reloads it
    assert get(f"{address()}/src/main.ts")[0] == 200
    assert get(f"{address()}/health")[0] == 200
    assert "/xmpp-websocket" in get(f"{address()}/.well-known/host-meta.json")[1]

    runs = log.read_text().count("Kith is running")
    assert runs == 1
    os.utime(ROOT / "src/kith/__main__.py")
    until(lambda: log.read_text().count("Kith is running") == 2, START, log.read_text)
    until(lambda: get(f"{address()}/health")[0] == 200, START, log.read_text)

    server = server_of(dev.pid)
    os.killpg(dev.pid, signal.SIGINT)  # as a terminal does: to all that it has started
    dev.wait(END)
    until(lambda: not alive(server), END, log.read_text)
    assert get(f"{address()}/") == (0, "")


def server_of(ancestor: int) -> int:
    """The process of ``kith serve`` that a process has started."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"serve" in (entry / "cmdline").read_bytes().split(b"\0") and descends(
                int(entry.name), ancestor
            ):
                return int(entry.name)
    raise AssertionError("no server")


def descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
