"""The composition root: builds the parts from the settings, starts and stops them."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from kith import calls, groups, push, status, welcome
from kith.accounts.codes import Codes
from kith.accounts.credentials import check_password, make_keys
from kith.accounts.secret import ensure_secret, has_secret
from kith.base.clock import Clock
from kith.base.failures import StartError
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.bus.local import LocalPlacement
from kith.calls.stun import StunServer, make_limit
from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.core.hooks.parts import Parts, Unfit
from kith.core.login.stream import Stream
from kith.core.node import Node
from kith.core.peers.bounces import Bounces
from kith.core.sessions.handover import Handover
from kith.core.sessions.resumption import Resumption
from kith.edge.certificate import describe, ensure_certificate
from kith.edge.certificate_health import check_pair
from kith.edge.edge import Connected, Edge
from kith.edge.http import FrontConnection
from kith.edge.listeners import Listeners, PortError
from kith.edge.memory import Memory
from kith.edge.tcp import TCPConnection
from kith.edge.tls import Certificates
from kith.edge.webapp import WebApp, built
from kith.features import ALL
from kith.features.components import Components
from kith.federation.contacts import Contacts
from kith.federation.federation import Federation, make_opening, return_what_waits
from kith.federation.incoming import IncomingStream
from kith.federation.opening import Opening
from kith.federation.outbound import Outbound
from kith.federation.outgoing import Outgoing
from kith.groups.seats import Seats
from kith.housekeeping import Housekeeping
from kith.media.connection import shared_secret
from kith.media.database import MediaDatabaseError
from kith.media.fetching import Fetching
from kith.media.jobs.pool import PicturePool
from kith.media.local import LocalMedia
from kith.media.server import MediaServer
from kith.media.service import UploadService
from kith.metrics import Metrics
from kith.ports.blobs import BlobError
from kith.ports.connection import Security, Sink
from kith.ports.directory import Directory
from kith.push.pushing import Pushing
from kith.records.passwords import Passwords
from kith.renewal import Renewal
from kith.site import Site
from kith.stoppable import Stoppable
from kith.store.connection import prepare
from kith.store.folder import FolderLock, check_folder
from kith.store.sqlite import SQLiteStore
from kith.wire import ns
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool

logger = structlog.get_logger("kith")
#: How long to wait for connections to end when the server stops, in seconds.
_FAREWELL = 5.0
#: Seconds of silence of a component or another server after which the kernel probes it (TCP keepalive).
_QUIET_SERVER = 300.0
#: The same for streams that other servers still write to after we have ended our side.
_GOODBYE = 2.0
#: How long to wait for another process that is creating the database, in seconds.
_DATABASE_BUSY = 10.0
#: The number of connections that the kernel queues until they are accepted.
_BACKLOG = 1024


class Server(Stoppable):
    """A server. Await `start`, then `run`, which returns when the server is to stop, then `stop`."""

    def __init__(self, config: Config, reread: Callable[[], Config] | None = None) -> None:
        """``reread``: reads the settings again, on SIGHUP. Raises ConfigError."""
        super().__init__()
        self.config = config
        self._reread = reread
        self._memory = Memory()
        self.certificates: Certificates | None = None
        self.federation: Federation | None = None
        self._outgoing: Outgoing | None = None
        self._lock: FolderLock | None = None

    async def start(self) -> None:
        """Starts the parts and opens the ports. Raises StartError, ConfigError, StoreError."""
        config = self.config
        try:
            check_folder(config.data_dir)
        except OSError as error:
            raise StartError(str(error)) from None
        try:
            certificate, key = ensure_certificate(config)
            check_pair(certificate, key)
            described = describe(certificate)
            self.certificates = Certificates(
                certificate, key, config.federation or bool(config.push_services), config.federation_ca
            )
        except (OSError, ValueError, ssl.SSLError) as error:
            raise StartError(f"can't use the certificate: {error}") from error
        await asyncio.to_thread(self._take_folder)
        randomness = Randomness()
        try:
            secret = ensure_secret(config.data_dir / "secret", randomness, time.time())
        except OSError as error:
            raise StartError(f"can't use the file secret in {config.data_dir}: {error.strerror}") from error
        store = SQLiteStore(config.database, may_create=False, domain=config.domain)
        self.directory = _directory(config)
        self._pictures = PicturePool()
        passwords = partial(Passwords, check_password, make_keys)
        try:
            node = self.node = Node(
                config,
                store,
                (*ALL, *groups.ALL, *status.ALL, *calls.ALL, *push.ALL, *_media_features(config)),
                passwords,
                secret,
                LocalPlacement(),
                Clock(),
                randomness,
                directory=self.directory,
                pictures=self._pictures,
            )
        except Unfit as error:
            raise StartError(str(error)) from error
        try:
            await node.start()
        except (MediaDatabaseError, BlobError) as error:
            raise StartError(f"can't use the folder for media, {config.media_folder}: {error}") from error
        pool = ParserPool(Limits(stanza_bytes=config.stanza_bytes))
        self.edge = Edge(
            config, node.domain, node.tasks, partial(Stream, node.entrance), pool, self.certificates
        )
        self.renewal = Renewal(self.edge, self._reread)
        self.renewal.look_at_certificate()
        self._listeners = Listeners(config, self.edge)
        app = _web_app(config)
        self.site = Site(config, node, self.edge, self.directory, app, self._pictures)
        self.media = self._media_server(secret)
        self.metrics: Metrics | None = None
        federation = self.federation = self._federation(pool, secret) if config.federation else None
        try:
            await self._open_ports(federation)
            if federation is not None:
                self._outgoing = federation.outgoing
                await federation.outgoing.start()
            else:
                if config.push_services:
                    self._outbound(pool, secret)
                node.parts.build((Bounces,))
                bounces = node.get(Bounces)
                node.tasks.spawn(return_what_waits(node.domain, store, bounces, node.tasks, node.clock))
        except BaseException as error:
            await self.stop()
            if isinstance(error, PortError):
                raise StartError(str(error)) from None
            raise
        housekeeping = Housekeeping(node, self.edge, self.renewal, self._memory)
        self.node.tasks.spawn(housekeeping.run())
        self.node.tasks.spawn(self.edge.watch())
        if config.log_format == "json":
            return  # standard output is for a program
        accounts = await store.accounts()
        welcome.show(config, described, len(accounts), web_app=app is not None)

    def _federation(self, pool: ParserPool, secret: Secret) -> Federation:
        """Streams to and from other servers."""
        parts = self._opening(pool, secret)
        parts.build((Bounces, Contacts, Outgoing, Federation))
        return parts.get(Federation)

    def _outbound(self, pool: ParserPool, secret: Secret) -> None:
        """Streams to push services alone."""
        parts = self._opening(pool, secret)
        parts.build((Bounces, Contacts, Outgoing, Outbound))
        self._outgoing = parts.get(Outgoing)

    def _opening(self, pool: ParserPool, secret: Secret) -> Parts:
        """Adds what opens streams to other servers to the parts, and returns these."""
        parts = self.node.parts
        assert self.certificates is not None
        context = self.certificates.to_servers
        opening = make_opening(parts.get(Randomness), self.config.dns_server, context, pool, secret)
        parts.add({Opening: opening})
        return parts

    async def _open_ports(self, federation: Federation | None) -> None:
        """Starts to listen on all ports of the settings. Raises PortError."""
        components = self.node.get(Components)
        assert self.certificates is not None
        await self.site.start()
        if self.config.metrics_port:
            await self._serve_metrics(federation)
        if federation is not None:
            await self._listeners.listen(
                "federation_port",
                lambda: TCPConnection(self.edge, partial(IncomingStream, federation), namespace=ns.SERVER),
                idle=_QUIET_SERVER,
            )
        await self._listeners.listen("xmpp_port", lambda: TCPConnection(self.edge, self._starttls_stream))
        await self._listeners.listen(
            "xmpps_port",
            secure=(
                self.certificates.direct,
                lambda place: TCPConnection(self.edge, self._direct_stream, place),
            ),
        )
        await self._listeners.listen(
            "component_port",
            lambda: TCPConnection(self.edge, components.stream, namespace=ns.COMPONENT),
            listen=self.config.component_listen,
            idle=_QUIET_SERVER,
        )
        if not self.config.relays:
            await self._serve_stun()
        if self.media is not None:
            await self.media.start(self._listeners)
        await self._listeners.listen("http_port", lambda: FrontConnection(self.site.web))
        await self._listeners.listen(
            "https_port",
            secure=(self.certificates.https, lambda place: FrontConnection(self.site.web, place)),
        )

    def _media_server(self, secret: Secret) -> MediaServer | None:
        """The media server, if it is in this process."""
        local = self.node.get(UploadService).media if self.config.has_media else None
        if not isinstance(local, LocalMedia):
            return None
        return MediaServer(local.depot, self.edge, shared_secret(self.config, secret))

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
            self.edge,
            federation,
            self.node.get(Figures),
            self.node.store,
            self.node.get(Resumption),
            self.node.get(Codes).budget,
            self.node.get(Pushing),
        )
        await metrics.start()
        await self._listeners.listen("metrics_port", metrics.handler, listen=self.config.metrics_listen)
        self.node.tasks.spawn(metrics.watch())

    async def _serve_stun(self) -> None:
        """Calls work without it, though less often, and a relay that is not ours may have the port."""
        limit = make_limit()
        try:
            await self._listeners.listen_to_datagrams(
                "stun_port", lambda: StunServer(limit, self.node.clock.steady)
            )
        except PortError as error:
            logger.warning("no STUN for calls", reason=str(error))

    def _starttls_stream(self, sink: Sink, security: Security) -> Stream:
        return Stream(self.node.entrance, sink, security, starttls=True)

    def _direct_stream(self, sink: Sink, security: Security) -> Stream:
        return Stream(self.node.entrance, sink, security, starttls=False)

    def reload(self) -> None:
        self.renewal.reload()

    async def stop(self) -> None:
        """Stops the server: commits everything, saves sessions that can be resumed, and closes connections.

        Other clients get `system-shutdown` (RFC 6120 §4.9.3.21). docs/reliability.md describes the order.
        """
        self._listeners.close()
        parting = [
            connection for connection in list(self.edge.connections) if not connection.listen_no_more()
        ]
        await self.node.get(Handover).wait_until_idle(_FAREWELL)
        await self._wait_for(parting, _GOODBYE)
        self.node.get(Seats).leave()
        for connection in list(self.edge.connections):
            connection.shut_down()
        if self._outgoing is not None:
            await self._outgoing.stop()
        deadline = asyncio.get_running_loop().time() + _FAREWELL
        while self.edge.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if self.media is not None:
            await self.media.stop()
        await self.site.stop()
        await self._pictures.close()
        if self.metrics is not None:
            await self.metrics.stop()
        if self.directory is not None:
            await self.directory.close()
        await self.node.stop()
        if self._lock is not None:
            self._lock.release()

    async def _wait_for(self, parting: Sequence[Connected], seconds: float) -> None:
        """Waits until these connections are closed, at most ``seconds``."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            if not set(parting).intersection(self.edge.connections):
                return
            await asyncio.sleep(0.02)


def _media_features(config: Config) -> tuple[type[Feature], ...]:
    """The features of a server at which people can upload files."""
    return (UploadService, Fetching) if config.has_media else ()


def _directory(config: Config) -> Directory | None:
    """The directory of an organisation; None if the settings name none."""
    if not config.ldap_url:
        return None
    from kith.directory.ldap import LDAPDirectory  # the library takes time and memory

    return LDAPDirectory(config)


def _web_app(config: Config) -> WebApp | None:
    """The web app; None if it was not built and no folder is set. Raises StartError."""
    folder = config.web_dir or built()
    try:
        return WebApp(folder) if folder is not None else None
    except OSError as error:
        raise StartError(f"can't serve the web app: {error}") from None
