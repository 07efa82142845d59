"""What all connections of a server share: settings, limits, and who is connected."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

from kith.base.domain import Domain
from kith.base.tasks import Tasks
from kith.config import Config
from kith.edge.connection_limit import ConnectionLimit, most_connections
from kith.edge.keepalive import Rules, Watched, Wheel
from kith.edge.limits import Lobby
from kith.edge.proxies import Proxies, is_loopback
from kith.edge.tls import Certificates, peer_address
from kith.edge.unread import Unread
from kith.ports.connection import MakeClientStream, Security
from kith.wire.parser import ParserPool


class Connected(Watched, Protocol):
    """An open connection: what is needed to stop the server."""

    def listen_no_more(self) -> bool:
        """Stops reading, because the server is about to stop.

        Returns False if it still has to read until the peer closes its side of the stream.
        """

    def shut_down(self) -> None:
        """Closes the connection, because the server stops."""


class Edge:
    """What all connections of a server share.

    ``open`` counts the open connections by transport (`tcp`, `tls` …), ``accepted`` all that were accepted.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        tasks: Tasks,
        stream: MakeClientStream,
        pool: ParserPool,
        certificates: Certificates,
    ) -> None:
        self.config = config
        self.domain = domain
        self.stream = stream
        self.tasks = tasks
        self.pool = pool
        self.certificates = certificates
        self.lobby = Lobby(config.auth_timeout, config.unauthenticated_connections)
        self.connection_limit = ConnectionLimit(config.connections_per_address, most_connections())
        self.unread = Unread()
        self.connections: Wheel[Connected] = Wheel(
            Rules(config.ping_after, config.ping_timeout, config.proxy_timeout)
        )
        self.open: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.loop = asyncio.get_running_loop()
        self.take_over()

    def take_over(self) -> None:
        """Takes over settings that have changed (`Config.take_over`)."""
        config = self.config
        self.proxies = Proxies(config.trusted_proxies)
        self.connection_limit.per_address = config.connections_per_address
        self.rate = config.rate_bytes
        self.burst = max(4 * config.rate_bytes, 2 * config.stanza_bytes)

    @property
    def kernel_idle(self) -> float:
        """Seconds of silence after which the kernel probes a client (TCP keepalive)."""
        rules = self.connections.rules
        return rules.longest + 2 * rules.ping_timeout if rules.ping_after else 300

    def known(self, peer: str) -> str:
        """The address for which a connection to an HTTP port is counted, until a request names its client.

        Empty for a trusted proxy, whose connections belong to many clients.
        """
        return "" if self.proxies.trusts(peer) else peer

    async def watch(self) -> None:
        """Pings silent clients, and disconnects those that do not answer, until it is cancelled."""
        while True:
            await asyncio.sleep(self.connections.rules.turn)
            try:
                self.connections.turn()
            except Exception as error:
                self.tasks.failed("looking for lost clients failed", error)

    def plain(self, transport: asyncio.BaseTransport) -> Security:
        """The security of a connection without TLS: it is trusted on loopback, with `allow_plaintext`."""
        peer = peer_address(transport)
        return Security(trusted=self.config.allow_plaintext and is_loopback(peer), address=peer)
