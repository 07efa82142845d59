"""The composition root: builds the parts from the settings, starts and stops them."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial

import structlog
import uvloop

from kith import journal, welcome
from kith.accounts.codes import Codes
from kith.accounts.credentials import check_password, make_keys
from kith.accounts.leaving import Leaving
from kith.accounts.moving import Moving
from kith.accounts.proof import Proofs
from kith.accounts.secret import ensure_secret, has_secret
from kith.api.api import API
from kith.api.credentials import Credentials
from kith.api.resources import BEHIND, RESOURCES
from kith.base.clock import Clock
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.bus.local import LocalPlacement
from kith.config import Config, ConfigError
from kith.config.renamed import Renamed
from kith.core.hooks.parts import Unfit
from kith.core.log.retention import expire
from kith.core.login.stream import Stream
from kith.core.node import Node
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.core.sessions.handover import Handover
from kith.core.sessions.resumption import Resumption
from kith.edge.certificate import describe, ensure_certificate
from kith.edge.connection import Edge, keep_alive
from kith.edge.handshakes import TLSListener
from kith.edge.http import FrontConnection, Web
from kith.edge.invites import InvitePages
from kith.edge.memory import Memory
from kith.edge.tcp import TCPConnection
from kith.edge.tls import Certificates
from kith.edge.webapp import WebApp, built
from kith.features import ALL
from kith.features.components import Components
from kith.federation.federation import Federation
from kith.federation.incoming import IncomingStream
from kith.metrics import Metrics
from kith.ports.connection import Security, Sink
from kith.ports.sms import SMS
from kith.records.invites import Invites
from kith.records.passwords import Passwords
from kith.sms.console import ConsoleSMS
from kith.sms.http import HTTPGateway
from kith.store.connection import prepare
from kith.store.database import CHECK_THREAD
from kith.store.errors import StoreError
from kith.store.folder import FolderLock
from kith.store.sqlite import SQLiteStore
from kith.terminal import say
from kith.wire import ns
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool

logger = structlog.get_logger("kith")
#: How long to wait for connections to end when the server stops, in seconds.
_FAREWELL = 5.0
#: Seconds of silence of a component or another server after which the kernel probes it (TCP keepalive).
_QUIET_SERVER = 300.0
#: How long to wait for another process that is creating the database, in seconds.
_DATABASE_BUSY = 10.0
#: The number of connections that the kernel queues until they are accepted.
_BACKLOG = 1024


class StartError(Exception):
    """The server can't start. The text is one line for the operator."""


class Server:
    """A server. Await `start`, then `run`, which returns when the server is to stop, then `stop`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._listeners: list[asyncio.Server | TLSListener] = []
        self._stopping = asyncio.Event()
        self._memory = Memory()
        self.certificates: Certificates | None = None
        self._told: type[Exception] | None = None  # the error of the last tick
        self._lock: FolderLock | None = None

    async def start(self) -> None:
        """Raises StartError, ConfigError, StoreError."""
        config = self.config
        _check_folder(config)
        try:
            certificate, key = ensure_certificate(config)
            self.certificates = Certificates(certificate, key)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise StartError(f"can't use the certificate: {error}") from error
        await asyncio.to_thread(self._take_folder)
        randomness = Randomness()
        try:
            secret = ensure_secret(config.data_dir / "secret", randomness)
        except OSError as error:
            raise StartError(f"can't use the file secret in {config.data_dir}: {error.strerror}") from error
        store = SQLiteStore(config.database, may_create=False, domain=config.domain)
        passwords = partial(Passwords, check_password, make_keys)
        try:
            node = self.node = Node(
                config, store, ALL, passwords, secret, LocalPlacement(), Clock(), randomness
            )
        except Unfit as error:
            raise StartError(str(error)) from error
        await node.start()
        pool = ParserPool(Limits(stanza_bytes=config.stanza_bytes))
        self.edge = Edge(
            config, node.domain, node.tasks, partial(Stream, node.entrance), pool, self.certificates
        )
        app = _web_app(config)
        invites = InvitePages(node.domain, Invites(store, node.clock, randomness), config.invites)
        self.web = Web(self.edge, [invites, self._api(secret), *([app] if app is not None else [])])
        self.metrics: Metrics | None = None
        components = self.node.get(Components)
        federation = None
        if config.federation:
            try:
                federation = Federation(
                    config,
                    node.domain,
                    node.clock,
                    node.tasks,
                    node.get(Figures),
                    randomness,
                    node.hosts,
                    node.get(Post),
                    node.get(Router),
                    pool,
                    secret,
                    certificate,
                    key,
                )
            except (OSError, ssl.SSLError) as error:
                raise StartError(f"can't use the certificates for federation: {error}") from error
        try:
            await self.web.start()
            if config.metrics_port:
                await self._serve_metrics(federation)
            if federation is not None:
                await self._listen(
                    "federation_port",
                    lambda: TCPConnection(
                        self.edge, partial(IncomingStream, federation), namespace=ns.SERVER
                    ),
                    idle=_QUIET_SERVER,
                )
            await self._listen("xmpp_port", lambda: TCPConnection(self.edge, self._starttls_stream))
            await self._listen(
                "xmpps_port",
                secure=(
                    self.certificates.direct,
                    lambda place: TCPConnection(self.edge, self._direct_stream, place),
                ),
            )
            await self._listen(
                "component_port",
                lambda: TCPConnection(self.edge, components.stream, namespace=ns.COMPONENT),
                listen=config.component_listen,
                idle=_QUIET_SERVER,
            )
            await self._listen("http_port", lambda: FrontConnection(self.web))
            await self._listen(
                "https_port",
                secure=(self.certificates.https, lambda place: FrontConnection(self.web, place)),
            )
        except BaseException:
            await self.stop()
            raise
        self.node.tasks.spawn(self._tick())
        self.node.tasks.spawn(self.edge.watch())
        accounts = await store.accounts()
        welcome.show(config, describe(certificate), len(accounts), web_app=app is not None)

    def _take_folder(self) -> None:
        """Locks the data folder, and creates the database if the folder was never used.

        The database is created before the secret, whose existence shows that the folder was used. Raises
        StartError, StoreError.
        """
        folder = self.config.data_dir
        try:
            self._lock = FolderLock(folder)
        except OSError as error:
            raise StartError(f"can't lock the data folder {folder}: {error.strerror}") from None
        if not has_secret(folder / "secret"):
            prepare(self.config.database, _DATABASE_BUSY).close()

    async def _serve_metrics(self, federation: Federation | None) -> None:
        metrics = self.metrics = Metrics(
            self.edge, federation, self.node.get(Figures), self.node.store, self.node.get(Resumption)
        )
        await metrics.start()
        await self._listen("metrics_port", metrics.handler, listen=self.config.metrics_listen)
        self.node.tasks.spawn(metrics.watch())

    def _api(self, secret: bytes) -> API:
        """Builds the HTTP API and the parts behind it."""
        parts, repeat = self.node.parts, self.node.tasks.repeat
        self.sms = _sms(self.config, self.node.clock, self.node.get(Randomness))
        parts.add({SMS: self.sms})
        parts.build(BEHIND)
        repeat(parts.get(Codes).sweep, 3600.0)
        repeat(parts.get(Proofs).sweep, 3600.0)
        repeat(parts.get(Moving).clean, 86400.0)
        repeat(parts.get(Leaving).clean, 600.0)
        resources = parts.build(RESOURCES)
        return API(self.config, self.node.tasks, self.edge, parts.get(Credentials), resources)

    def _starttls_stream(self, sink: Sink, security: Security) -> Stream:
        return Stream(self.node.entrance, sink, security, starttls=True)

    def _direct_stream(self, sink: Sink, security: Security) -> Stream:
        return Stream(self.node.entrance, sink, security, starttls=False)

    async def _listen(
        self,
        setting: str,
        protocol: Callable[[], asyncio.Protocol] | None = None,
        listen: Sequence[str] = (),
        secure: tuple[ssl.SSLContext, Callable[[str], asyncio.Protocol]] | None = None,
        idle: float = 0,
    ) -> None:
        """Listens on the port of a setting, if it is not 0, on each address. Raises StartError.

        ``protocol`` makes the protocol of a connection. For TLS from the first byte, ``secure`` has the TLS
        context and a function that makes the protocol. ``idle``: seconds of silence after which the kernel
        probes a peer; 0 means as for clients.
        """
        port = getattr(self.config, setting)
        if not port:
            return
        loop = asyncio.get_running_loop()
        for host in listen or self.config.listen:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                listener = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                continue  # this machine lacks that address family
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                keep_alive(listener, idle or self.edge.kernel_idle)
                listener.bind((host, port))
                listener.listen(_BACKLOG)
                if secure is not None:
                    self._listeners.append(TLSListener(self.edge, listener, *secure, setting == "https_port"))
                elif protocol is not None:
                    made = await loop.create_server(protocol, sock=listener, backlog=_BACKLOG)
                    self._listeners.append(made)
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
        """Does periodic work once a second, until it is cancelled."""
        seconds = 0
        while True:
            await asyncio.sleep(1)
            seconds += 1
            try:
                await self._memory.give_back(self.edge.door.left, self.node.clock.steady())
                self._each_second(seconds)
            except Exception as error:
                if type(error) is not self._told:  # log it once, not each second
                    self._told = type(error)
                    self.node.tasks.failed("tick failed", error)

    def _each_second(self, seconds: int) -> None:
        self.edge.lobby.sweep()
        if seconds % 10 == 0:
            self.reload()
        if seconds % 3600 == 60:
            self.node.tasks.spawn(expire(self.node.store, self.node.clock, self.config.retention_days))

    def reload(self) -> None:
        """Loads the certificate if it was renewed. Open connections stay."""
        if self.certificates is None:
            return
        try:
            if self.certificates.reload():
                logger.info("certificate reloaded", file=str(self.certificates.certificate))
        except (OSError, ValueError, ssl.SSLError) as error:
            logger.error("certificate not reloaded, the old one stays", exc_info=error)

    def request_stop(self) -> None:
        self._stopping.set()

    def listen_to_signals(self) -> None:
        """Lets SIGINT and SIGTERM stop the server, and SIGHUP reload the certificate."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.request_stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    async def run(self) -> None:
        """Returns after `request_stop`."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Stops the server: commits everything, saves sessions that can be resumed, and closes connections.

        Other clients get `system-shutdown` (RFC 6120 §4.9.3.21). docs/reliability.md describes the order.
        """
        for listener in self._listeners:
            listener.close()
        for connection in list(self.edge.connections):
            connection.listen_no_more()
        await self.node.get(Handover).settle(_FAREWELL)
        for connection in list(self.edge.connections):
            connection.shut_down()
        deadline = asyncio.get_running_loop().time() + _FAREWELL
        while self.edge.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await self.web.stop()
        if self.metrics is not None:
            await self.metrics.stop()
        await self.sms.close()
        await self.node.stop()
        if self._lock is not None:
            self._lock.release()


def _sms(config: Config, clock: Clock, randomness: Randomness) -> SMS:
    """The sender of text messages that the settings ask for."""
    if not config.sms_url:
        return ConsoleSMS()
    return HTTPGateway(
        config.sms_url,
        clock,
        randomness,
        config.sms_method,
        config.sms_headers,
        config.sms_body,
        config.sms_success_pattern,
    )


def _web_app(config: Config) -> WebApp | None:
    """The web app; None if it was not built and no folder is set. Raises StartError."""
    folder = config.web_dir or built()
    try:
        return WebApp(folder) if folder is not None else None
    except OSError as error:
        raise StartError(f"can't serve the web app: {error}") from None


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


def _spare_collections() -> None:
    """Lets the garbage collector run rarely, and ignore objects that live as long as the server.

    Python's default, a collection after 700 new objects, costs more than it finds, since few objects are
    cyclic.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


#: How long a thread may keep the interpreter's lock while another one waits for it, in seconds. A commit
#: takes the lock several times; with Python's 5 ms, messages waited 40 to 80 ms for it while clients kept
#: the loop busy.
_SWITCH_INTERVAL = 0.001


async def _serve(config: Config) -> None:
    asyncio.get_running_loop().set_exception_handler(journal.loop_error)
    server = Server(config)
    server.listen_to_signals()
    await server.start()
    _spare_collections()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    await server.run()
    await server.stop()


#: The exit status if one of the server's threads fails: EX_SOFTWARE of sysexits.h.
CRIPPLED = 70


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Logs the failure of a thread, and ends the process if it was one of the server's own.

    Without that thread, the server would look alive but answer nobody. A supervisor can start it again, and
    nothing is lost: what was acknowledged is on the disk.
    """
    journal.thread_failed(failed)
    name = failed.thread.name if failed.thread is not None else ""
    if name.startswith("kith-") and name != CHECK_THREAD:
        logger.critical(
            "the server ends, as it can't go on without this thread", thread=name, status=CRIPPLED
        )
        os._exit(CRIPPLED)


def serve(config: Config, renamed: Sequence[Renamed] = ()) -> int:
    """Runs a server until it is told to stop. Returns the exit status: 2 if it could not start.

    ``renamed``: settings that were given under an old name, for a warning in the log.
    """
    journal.set_up(config.log_level, config.log_format)
    for setting in renamed:
        logger.warning("setting has a new name", old=setting.old, new=setting.new, given_in=setting.place)
    threading.excepthook = _thread_failed
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config))
    except (StartError, ConfigError, StoreError) as error:
        say(f"kith: {error}", sys.stderr)
        return 2
    return 0
