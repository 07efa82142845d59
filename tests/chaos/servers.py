"""The servers that the harness can be pointed at: Kith, and Prosody and ejabberd as Debian ships them.

All keep archives of everybody, with the storage that they use by default, and have no limits of rate.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tests import ejabberd
from tests.conftest import RunningServer, free_ports


class Killable(Protocol):
    """A server on loopback, with accounts whose password is ``pw``."""

    port: int
    domain: str

    @property
    def pid(self) -> int: ...
    def start(self) -> None:
        """Starts it and waits until it listens."""

    def kill(self) -> None:
        """SIGKILL."""

    def add_users(self, names: Sequence[str]) -> None: ...


class Kith(RunningServer):
    """As operators start it; people may write to many others, as fast as they like."""

    forks = False

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder / "data", **{"strangers_per_hour": "0"} | settings)

    def add_users(self, names: Sequence[str]) -> None:
        file = self.data_dir.parent / "people.csv"
        file.write_text("jid,password\n" + "".join(f"{name}@{self.domain},pw\n" for name in names))
        self.kith("user", "import", str(file))


class _Peer:
    """A process of another server."""

    domain = "localhost"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)

    def _launch(self, command: list[str], environ: dict[str, str]) -> None:
        with (self.folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                command,
                env=os.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "out").read_text()[-4000:])


class Prosody(_Peer):
    """Storage: files, its default."""

    def add_users(self, names: Sequence[str]) -> None:
        accounts = self.folder / "data" / self.domain / "accounts"
        accounts.mkdir(parents=True)
        for name in names:
            (accounts / f"{name}.dat").write_text('return { ["password"] = "pw"; };\n')

    def start(self) -> None:
        program = shutil.which("prosody", path="/usr/bin:/usr/local/bin:/usr/sbin")
        assert program is not None, "Debian's package prosody is missing"
        modules = "roster saslauth disco ping presence message iq mam smacks offline carbons"
        quoted = " ".join(f'"{name}";' for name in modules.split())
        (self.folder / "prosody.cfg.lua").write_text(
            f"""
run_as_root = true
data_path = "{self.folder}/data"
pidfile = "{self.folder}/pid"
modules_enabled = {{ {quoted} }}
modules_disabled = {{ "s2s"; "limits"; "tls"; }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
network_backend = "epoll"
default_archive_policy = true
archive_expires_after = "never"
max_archive_query_results = 250
log = {{ error = "{self.folder}/log" }}
VirtualHost "{self.domain}"
"""
        )
        self._launch([program, "-F", "--config", str(self.folder / "prosody.cfg.lua")], {})


class Ejabberd(_Peer):
    """Storage: Mnesia, its default; its node runs by itself, without Erlang's port mapper."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._names: Sequence[str] = ()

    def add_users(self, names: Sequence[str]) -> None:
        """They are registered at the first start."""
        self._names = names

    def start(self) -> None:
        folder = self.folder
        (folder / "ejabberd.yml").write_text(ejabberd.settings(self.domain, self.port))
        (folder / "ready").unlink(missing_ok=True)
        # the names are re-registered after a kill: an account is no message
        self._launch(*ejabberd.command(folder, ejabberd.program(folder, self.domain, self._names)))
        for _ in range(600):
            if (folder / "ready").exists():
                return
            time.sleep(0.1)
        raise RuntimeError((folder / "out").read_text()[-4000:])


SERVERS = {"kith": Kith, "prosody": Prosody, "ejabberd": Ejabberd}


@contextlib.contextmanager
def served(kind: str, folder: Path, names: Sequence[str]) -> Iterator[Killable]:
    """A server of that kind with these accounts, killed in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    server: Killable = SERVERS[kind](folder)
    if kind != "kith":
        server.add_users(names)
    server.start()
    try:
        if kind == "kith":
            server.add_users(names)
        yield server
    finally:
        server.kill()
