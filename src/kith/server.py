"""The composition root: builds the parts from the settings, starts and stops them."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Sequence

import structlog
import uvloop

from kith import welcome
from kith.accounts.credentials import check_password, make_keys
from kith.accounts.secret import ensure_secret
from kith.bus.local import LocalBus
from kith.config import Config, ConfigError
from kith.core.domain import Domain
from kith.core.passwords import Passwords
from kith.core.ports import Sink
from kith.core.sasl import Security
from kith.core.stream import Stream
from kith.edge.certificate import describe, ensure_certificate
from kith.edge.connection import Edge
from kith.edge.http import FrontConnection, Web
from kith.edge.tcp import TCPConnection
from kith.edge.tls import Certificates
from kith.features import ALL
from kith.features.components import NAMESPACE as COMPONENT
from kith.features.components import Components
from kith.federation.federation import Federation
from kith.store.errors import StoreError
from kith.store.sqlite import SQLiteStore
from kith.wire import ns
from kith.wire.parser import Limits, ParserPool

logger = structlog.get_logger("kith")
#: How long connections have to end when the server stops, in seconds.
_FAREWELL = 5.0


class StartError(Exception):
    """The server can't start; the text is one line for a person."""


class Server:
    """A running server: `start`, `run` until it is told to stop, `stop`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._listeners: list[asyncio.Server] = []
        self._stopping = asyncio.Event()
        self.certificates: Certificates | None = None

    async def start(self) -> None:
        """Raises StartError, ConfigError, StoreError."""
        config = self.config
        _check_folder(config)
        try:
            certificate, key = ensure_certificate(config)
            certificates = self.certificates = Certificates(certificate, key)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise StartError(f"can't use the certificate: {error}") from error
        try:
            secret = ensure_secret(config.data_dir / "secret")
        except OSError as error:
            raise StartError(f"can't use the file secret in {config.data_dir}: {error.strerror}") from error
        store = SQLiteStore(config.database)
        passwords = Passwords(check_password, make_keys)
        self.domain = Domain(config, store, LocalBus(), ALL, passwords, secret)
        await self.domain.start()
        self.edge = Edge(self.domain, ParserPool(Limits(stanza_bytes=config.stanza_bytes)), self.certificates)
        self.web = Web(self.edge)
        components = self.domain.feature(Components)
        federation = None
        if config.federation:
            try:
                federation = Federation(self.domain, self.edge.pool, secret, certificate, key)
            except (OSError, ssl.SSLError) as error:
                raise StartError(f"can't use the certificates for federation: {error}") from error
        try:
            await self.web.start()
            if federation is not None:
                await self._listen(
                    "federation_port",
                    lambda: TCPConnection(self.edge, federation.stream, namespace=ns.SERVER),
                )
            await self._listen("xmpp_port", lambda: TCPConnection(self.edge, self._starttls_stream))
            await self._listen(
                "xmpps_port",
                lambda: TCPConnection(self.edge, self._direct_stream, direct=True),
                certificates.direct,
            )
            await self._listen(
                "component_port",
                lambda: TCPConnection(self.edge, components.stream, namespace=COMPONENT),
                listen=config.component_listen,
            )
            await self._listen("http_port", lambda: FrontConnection(self.web, secure=False))
            await self._listen(
                "https_port", lambda: FrontConnection(self.web, secure=True), certificates.https
            )
        except BaseException:
            await self.stop()
            raise
        self.domain.spawn(self._tick())
        self.domain.spawn(self.edge.watch())
        accounts = await store.accounts()
        welcome.show(config, describe(certificate), len(accounts))

    def _starttls_stream(self, sink: Sink, security: Security) -> Stream:
        return Stream(self.domain, sink, security, starttls=True)

    def _direct_stream(self, sink: Sink, security: Security) -> Stream:
        return Stream(self.domain, sink, security, starttls=False)

    async def _listen(
        self,
        setting: str,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None = None,
        listen: Sequence[str] = (),
    ) -> None:
        port = getattr(self.config, setting)
        if not port:
            return
        loop = asyncio.get_running_loop()
        for host in listen or self.config.listen:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                listener = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                continue  # a machine without that family
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((host, port))
                timeout = self.config.auth_timeout if tls is not None else None
                self._listeners.append(
                    await loop.create_server(
                        protocol, sock=listener, ssl=tls, backlog=1024, ssl_handshake_timeout=timeout
                    )
                )
            except OSError as error:
                listener.close()
                if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and host in ("::", "::1"):
                    continue
                reason = (
                    "is in use" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
                )
                todo = f"stop what uses it, or set KITH_{setting.upper()} to another (0: off)"
                raise StartError(f"port {port} on {host} {reason}; {todo}") from None

    async def _tick(self) -> None:
        """Once a second, for all connections together."""
        seconds = 0
        while True:
            await asyncio.sleep(1)
            seconds += 1
            self.edge.lobby.sweep()
            if seconds % 10 == 0:
                self.reload()
            if seconds % 3600 == 60 and self.config.retention_days:
                await self.domain.expire()

    def reload(self) -> None:
        """Takes up a renewed certificate; connections that are open stay."""
        if self.certificates is None:
            return
        try:
            if self.certificates.reload():
                logger.info("certificate reloaded", file=str(self.certificates.certificate))
        except (OSError, ValueError, ssl.SSLError) as error:
            logger.error("certificate not reloaded, the old one stays", error=str(error))

    def request_stop(self) -> None:
        self._stopping.set()

    def listen_to_signals(self) -> None:
        """SIGINT and SIGTERM stop it; SIGHUP looks for a renewed certificate."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.request_stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    async def run(self) -> None:
        """Until `request_stop`."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Says goodbye to every stream, commits, closes (RFC 6120 §4.9.3.21, system-shutdown)."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self.edge.connections):
            connection.shut_down()
        deadline = asyncio.get_running_loop().time() + _FAREWELL
        while self.edge.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await self.web.stop()
        await self.domain.stop()


def _check_folder(config: Config) -> None:
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        config.data_dir.chmod(0o700) if not any(config.data_dir.iterdir()) else None
    except OSError as error:
        raise StartError(f"can't make the data folder {config.data_dir}: {error.strerror}") from None
    probe = config.data_dir / f".write-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartError(f"can't write to the data folder {config.data_dir}: {error.strerror}") from None


def _log_to_stderr(level: str) -> None:
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.LogfmtRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


async def _serve(config: Config) -> None:
    server = Server(config)
    server.listen_to_signals()
    await server.start()
    await server.run()
    await server.stop()


def serve(config: Config) -> int:
    """Runs a server until it is told to stop. Returns the exit status: 2 if it could not start."""
    _log_to_stderr(config.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config))
    except (StartError, ConfigError, StoreError) as error:
        print(f"kith: {error}", file=sys.stderr)
        return 2
    return 0
