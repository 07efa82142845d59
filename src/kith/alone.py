"""A media server in a process of its own (``kith serve --role media``)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.failures import StartError
from kith.base.tasks import Tasks
from kith.config import Config
from kith.edge.certificate import ensure_certificate
from kith.edge.certificate_health import check_pair
from kith.edge.edge import Edge
from kith.edge.listeners import Listeners, PortError
from kith.edge.memory import Memory
from kith.edge.tls import Certificates
from kith.media.connection import shared_secret
from kith.media.control import Control
from kith.media.database import MediaDatabaseError
from kith.media.depot import Depot
from kith.media.local import LocalMedia
from kith.media.server import MediaServer
from kith.media.signing import CONTROL
from kith.ports.blobs import BlobError
from kith.ports.connection import ClientStream, Security, Sink
from kith.renewal import Renewal
from kith.stoppable import Stoppable
from kith.store.errors import StoreError
from kith.store.folder import FolderLock, check_folder
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool


class MediaProcess(Stoppable):
    """Has what `kith.server.Server` has: `start`, `run`, `stop`, and what signals need."""

    def __init__(self, config: Config, reread: Callable[[], Config] | None = None) -> None:
        super().__init__()
        self.config = config
        self._reread = reread
        self._memory = Memory()
        self._tasks = Tasks()
        self._clock = Clock()

    async def start(self) -> None:
        """Opens the folder and the ports. Raises StartError, ConfigError."""
        config = self.config
        if not config.media_secret:
            raise StartError("a media server alone needs media_secret, the same as its message server has")
        certificates = await asyncio.to_thread(self._prepare)
        self._tasks.start()
        depot = Depot(config, self._clock)
        self._media = LocalMedia(depot)
        try:
            await self._media.start()
        except (MediaDatabaseError, BlobError) as error:
            raise StartError(f"can't use the folder for media, {config.media_folder}: {error}") from error
        pool = ParserPool(Limits(stanza_bytes=config.stanza_bytes))
        self._edge = Edge(config, Domain(config.domain), self._tasks, _no_stream, pool, certificates)
        self._renewal = Renewal(self._edge, self._reread)
        self._listeners = Listeners(config, self._edge)
        shared = shared_secret(config, None)
        self._server = MediaServer(depot, self._edge, shared)
        self._control = Control(self._media, shared.key(CONTROL), self._clock)
        try:
            await self._server.start(self._listeners)
            await self._control.start()
            listen = config.media_control_listen
            await self._listeners.listen("media_control_port", self._control.handler, listen=listen)
        except PortError as error:
            await self.stop()
            raise StartError(str(error)) from None
        self._tasks.repeat(self._each_second, 1.0)

    def _prepare(self) -> Certificates:
        """Locks the folder and reads the certificate. Raises StartError, ConfigError."""
        config = self.config
        try:
            check_folder(config.data_dir)
            check_folder(config.media_folder)
            self._lock = FolderLock(config.media_folder)
            certificate, key = ensure_certificate(config)
            check_pair(certificate, key)
            return Certificates(certificate, key)
        except ssl.SSLError as error:
            raise StartError(f"can't use the certificate: {error}") from error
        except (OSError, ValueError, StoreError) as error:
            raise StartError(str(error)) from error

    async def _each_second(self) -> None:
        self._edge.lobby.sweep()
        self._renewal.reload_certificate()
        await self._memory.give_back(self._edge.connection_limit.ended, self._clock.steady())

    def reload(self) -> None:
        self._renewal.reload()

    async def stop(self) -> None:
        """Closes the ports, waits a moment for what is in progress, and closes the folder."""
        self._listeners.close()
        await self._control.stop()
        await self._server.stop()
        self._tasks.stop()
        await self._media.stop()
        self._lock.release()


def _no_stream(sink: Sink, security: Security, starttls: bool) -> ClientStream:
    raise AssertionError("there is no XMPP here")
