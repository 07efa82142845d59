"""Debian's coturn as a process of a test."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.conftest import free_ports
from tests.federation.world import Authority

SECRET = "a-secret-of-the-relay"
_CONFIG = """
listening-ip=127.0.0.1
relay-ip=127.0.0.1
listening-port={port}
tls-listening-port={tls_port}
cert={certificate}
pkey={key}
realm=localhost
use-auth-secret
static-auth-secret={secret}
fingerprint
no-cli
no-multicast-peers
allow-loopback-peers
userdb={folder}/turndb
pidfile={folder}/turnserver.pid
log-file={folder}/turnserver.log
simple-log
{more}
"""


class Coturn:
    """``port``: UDP and TCP; ``tls_port``: TLS, for localhost. ``ca``: the authority of its certificate."""

    def __init__(self, folder: Path, more: str = "") -> None:
        program = shutil.which("turnserver", path="/usr/bin")
        assert program, "coturn is missing: `make test` installs it (debian-packages.txt)"
        authority = Authority(folder)
        certificate, key = authority.certificate("turn", names="localhost")
        self.ca = authority.file
        self.port, self.tls_port = free_ports(2)
        self.log = folder / "turnserver.log"
        config = folder / "turnserver.conf"
        config.write_text(
            _CONFIG.format(
                port=self.port,
                tls_port=self.tls_port,
                certificate=certificate,
                key=key,
                secret=SECRET,
                folder=folder,
                more=more,
            )
        )
        self._process = subprocess.Popen(
            [program, "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                for port in (self.port, self.tls_port):
                    socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError(f"coturn did not start:\n{self.log.read_text() if self.log.exists() else ''}")

    def pause(self) -> None:
        """It is there, and nothing gets through."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
