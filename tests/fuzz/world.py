"""A server without sockets, in this process: what a target says goes in as bytes, what it answers comes out.

An error that the server only writes to its log is raised here.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import zlib
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.bus.local import LocalPlacement
from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.core.login.stream import Stream
from kith.core.node import Node
from kith.edge.edge import Edge
from kith.edge.http import Web
from kith.edge.tcp import TCPConnection
from kith.features import ALL
from kith.ports.connection import Security
from kith.ports.store import Keys
from kith.records.passwords import Passwords
from kith.store.sqlite import SQLiteStore
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool

HEADER = (
    b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
#: Channel binding as a connection in TLS has it.
SECURITY = Security(True, False, {"tls-server-end-point": b"e" * 32}, "192.0.2.1")
_PATIENCE = 10.0
#: In how many portions the server may handle what came at once.
_PORTIONS = 1000
_SHM = Path("/dev/shm")


def cut(data: bytes) -> list[bytes]:
    """Pieces of any length, the same each time for the same bytes."""
    pieces = []
    seed = zlib.crc32(data)
    while data:
        seed = (seed * 1103515245 + 12345) % (1 << 31)
        at = 1 + (seed >> 8) % (8 if seed & 1 else 400)
        pieces.append(data[:at])
        data = data[at:]
    return pieces


class Transport(asyncio.Transport):
    """A connection that nobody is at the other end of."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._protocol: Any = None
        self.sent = b""
        self.closed = False
        self.paused = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40000) if name == "peername" else default

    def write(self, data: Any) -> None:
        assert isinstance(data, (bytes, bytearray, memoryview)), type(data)
        if not self.closed:
            self.sent += bytes(data)

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


class World:
    """A domain with the account ``ada``, whose password nobody knows."""

    def __init__(self, features: Sequence[type[Feature]] = ALL, **settings: Any) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._unexpected)
        self.failures: list[str] = []
        self._features = features
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None)
        self.do(self._start())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        result = self.loop.run_until_complete(work)
        failures, self.failures = self.failures, []
        assert not failures, failures
        return result

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    async def _start(self) -> None:
        folder = Path(self._folder.name)
        config = Config(data_dir=folder, allow_plaintext=True, registration="open", **self._settings)
        passwords = partial(Passwords, lambda keys, password: False, lambda password, salts: _keys(password))
        store = SQLiteStore(config.database, gather=0.0)
        self.domain = Node(
            *(config, store, self._features, passwords, Secret(b"secret" * 8)),
            *(LocalPlacement(), Clock(), Randomness()),
        )

        def failed(event: str, error: BaseException) -> None:
            self.failures.append(f"{event}: {error!r}")

        self.domain.tasks.failed = failed  # type: ignore[method-assign]
        await self.domain.start()
        await store.create_accounts([("ada@localhost", _keys("")), ("ben@localhost", _keys(""))])
        self.edge = Edge(
            config,
            self.domain.domain,
            self.domain.tasks,
            partial(Stream, self.domain.entrance),
            ParserPool(Limits()),
            Nameless(),  # type: ignore[arg-type]
        )
        self.web = Web(self.edge)
        await self.web.start()
        self._always = set(self.domain.tasks._running)

    async def settle(self) -> None:
        """Until the server has nothing to do."""
        async with asyncio.timeout(_PATIENCE):
            quiet = 0
            while quiet < 3:
                working = self.domain.tasks._running - self._always
                if working:
                    await asyncio.wait(working)
                await self.domain.store.flush()
                await asyncio.sleep(0)
                quiet = 0 if self.domain.tasks._running - self._always else quiet + 1

    async def feed(self, transport: Transport, pieces: Sequence[bytes]) -> None:
        """What a peer sends, as long as it may; all of it is handled then."""
        for piece in [*pieces, b""]:
            for _ in range(_PORTIONS):
                if not transport.paused or transport.closed:
                    break
                await self.settle()
            if transport.closed:
                return
            if piece:
                transport.get_protocol().data_received(piece)

    def connect(self, make: Callable[[], asyncio.Protocol]) -> Transport:
        """A connection that has just been accepted."""
        transport = Transport(self.loop)
        protocol = make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return transport

    def tcp(self) -> tuple[TCPConnection, Transport]:
        """A client's connection in TLS, after the handshake."""

        def stream(sink: Any, security: Security) -> Stream:
            return Stream(self.domain.entrance, sink, SECURITY, starttls=False)

        connection = TCPConnection(self.edge, stream)
        return connection, self.connect(lambda: connection)

    async def hang_up(self, transport: Transport) -> None:
        """The peer is gone; nothing of it stays."""
        transport.close()
        await asyncio.sleep(0)
        await self.settle()
        for account in self.domain.accounts.all():
            for session in list(account.sessions.values()):
                if session.sink is None:
                    self.domain.sessions.close(session)


class Nameless:
    """Certificates of no host: nobody makes a handshake here."""

    def is_for(self, host: str) -> bool:
        return False


def _keys(password: str) -> dict[str, Keys]:
    """Keys of no password: a proof for them can't be made by chance."""
    sizes = {"SHA-1": 20, "SHA-256": 32, "SHA-512": 64}
    return {name: Keys(b"s" * 16, b"k" * size, b"v" * size, 4096) for name, size in sizes.items()}
