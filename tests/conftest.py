"""A real server for tests: `kith serve` in a process of its own, on free ports of the loopback."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from kith.accounts.credentials import make_keys
from kith.admin.targets import account_address
from kith.base.randomness import Randomness
from kith.commands.users import with_store
from kith.config import load
from kith.records.passwords import new_salts
from tests.nursery import Forked, fork

# how long an example takes says how busy the machine is
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
#: Variables for which a server has to begin as a new program.
_COVERAGE = "COVERAGE_PROCESS_CONFIG"
_EXECUTED = {"LD_PRELOAD", _COVERAGE}
KITH = [sys.executable, "-m", "kith"]


#: Folders whose files take longest: they begin first, or one worker is at them when all others are done.
_LONGEST = ("web", "chaos", "interop", "client", "fuzz", "commands", "edge")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return _LONGEST.index(folder) if folder in _LONGEST else len(_LONGEST)

    items.sort(key=place)


#: Below those that the system gives to connections, or one could sit on a port while its server restarts.
_PORTS = range(10_000, 32_000)
_next_port = itertools.count(random.SystemRandom().randrange(len(_PORTS)))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment; others than those that it gave before."""
    found: list[int] = []
    while len(found) < count:
        port = _PORTS[next(_next_port) % len(_PORTS)]
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            found.append(port)
    return found


class RunningServer:
    """`kith serve`; ``settings`` are further ``KITH_*`` variables without the prefix."""

    domain = "localhost"
    address = "127.0.0.1"
    #: What `kith` is told to do.
    arguments: tuple[str, ...] = ("serve",)
    #: Whether it may be forked (`tests.nursery`), which takes a fifth of the time.
    forks = True

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.port, self.xmpps_port, self.http_port, self.https_port = free_ports(4)
        self.media_http_port, self.media_https_port = free_ports(2)
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
        self.environ |= {
            "KITH_CONFIG": "/dev/null",  # not this machine's /etc/kith.toml
            "KITH_DATA_DIR": str(data_dir),
            "KITH_LISTEN": self.address,
            "KITH_XMPP_PORT": str(self.port),
            "KITH_XMPPS_PORT": str(self.xmpps_port),
            "KITH_HTTP_PORT": str(self.http_port),
            "KITH_HTTPS_PORT": str(self.https_port),
            "KITH_STUN_PORT": "0",
            "KITH_MEDIA_HTTP_PORT": str(self.media_http_port),
            "KITH_MEDIA_HTTPS_PORT": str(self.media_https_port),
            "KITH_ALLOW_PLAINTEXT": "on",
        }
        self.environ |= {f"KITH_{name.upper()}": value for name, value in settings.items()}
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it and waits until it listens."""
        with self.log.open("ab") as log:
            if self.forks and not _EXECUTED & self.environ.keys():
                self._process = fork([*self.arguments], self.environ, log)
            else:
                self._process = subprocess.Popen(
                    [*KITH, *self.arguments],
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.http_port), 1):
                socket.create_connection((self.address, self.port), 1).close()
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    def stop(self) -> int:
        """Ends it as Ctrl-C would. Returns the exit status."""
        assert self._process is not None
        self._process.send_signal(2)
        return self._process.wait(20)

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    def kith(
        self, *arguments: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs another `kith` command with the server's settings."""
        done = subprocess.run(
            [*KITH, *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def on_disk(self) -> bytes:
        """All that it keeps. The accounts are in it: who finds nothing has looked in the right place."""
        kept = b"".join(file.read_bytes() for file in self.data_dir.rglob("*") if file.is_file())
        assert f"@{self.domain}".encode() in kept
        return kept

    def add_user(self, name: str, password: str = "pw") -> str:
        """An account, if there was none of that name. Returns its bare address.

        Beside the running server, as `kith user add` does it, in this process: a command of its own would
        cost as much as the rest of many tests. What the command does is looked at in tests/commands.
        """
        jid = f"{name}@{self.domain}"
        config = load(None, self.environ)
        bare, keys = account_address(config.domain, jid), make_keys(password, new_salts(Randomness()))
        with ThreadPoolExecutor(1) as elsewhere:  # the test may have a loop of its own here
            elsewhere.submit(
                with_store, config, lambda store: store.create_accounts([(bare, keys)]), create=True
            ).result()
        return jid


@contextlib.contextmanager
def running(
    data_dir: Path, kind: type[RunningServer] = RunningServer, **settings: str
) -> Iterator[RunningServer]:
    """A server that is stopped in any case."""
    server = kind(data_dir, **settings)
    server.start()
    try:
        yield server
    finally:
        if server._process is not None and server._process.poll() is None:
            if _COVERAGE in os.environ:
                server.stop()  # who is killed can't say what it has run through
            else:
                server.kill()


@pytest.fixture(autouse=True, scope="module")
def log_settings() -> Iterator[None]:
    """What a file sets up for the log in this process does not last for the files after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests of a file."""
    with running(tmp_path_factory.mktemp("kith") / "data") as server:
        yield server
        assert "error" not in _levels(server.log), server.log.read_text()


def _levels(log: Path) -> set[str]:
    return {part[6:] for part in log.read_text().split() if part.startswith("level=")}
