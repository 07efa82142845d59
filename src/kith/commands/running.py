"""Asks a server that runs in the data folder, if there is one (`kith.api.local`)."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kith.admin.live import SOCKET, AskedTrace, AskedTracing, LiveSessions
from kith.admin.trace import LiveTrace
from kith.config import Config

#: How long a command waits for the server, in seconds.
_PATIENCE = 10.0


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(str(self._path))


def ask(config: Config, method: str, path: str, request: object = None) -> bytes | None:
    """The body of the server's answer; None if no server is running, or it does not answer well."""
    connection = _Connection(config.data_dir / SOCKET)
    try:
        connection.request(method, path, msgspec.json.encode(request) if request is not None else None)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status < 300 else None


def live_sessions(config: Config) -> LiveSessions | None:
    """The sessions of the running server; None if no server is running."""
    body = ask(config, "GET", "/sessions")
    return msgspec.json.decode(body, type=LiveSessions) if body is not None else None


def live_trace(config: Config, accounts: Sequence[str], ids: Sequence[int]) -> LiveTrace | None:
    """What the running server knows of accounts and messages; None if no server is running."""
    body = ask(config, "POST", "/trace", AskedTrace(list(accounts), list(ids)))
    return msgspec.json.decode(body, type=LiveTrace) if body is not None else None


def switch_tracing(config: Config, account: str, hours: float) -> bool:
    """Traces an account for some hours, or stops that (0). Returns False if the server can't."""
    return ask(config, "POST", "/tracing", AskedTracing(account, hours)) is not None


def take_up(config: Config) -> None:
    """Lets a running server take up what was written. Without this, it does so within two seconds."""
    ask(config, "POST", "/changes")
