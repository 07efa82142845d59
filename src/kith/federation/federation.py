"""Puts the parts of federation together."""

from __future__ import annotations

import ssl

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.base.tasks import Tasks
from kith.core.peers.bounces import Bounces
from kith.core.routing.hosts import Hosts
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.federation.connection import Connector
from kith.federation.dialback import Keys
from kith.federation.opening import Opening
from kith.federation.outbox import DomainOutbox
from kith.federation.outgoing import Outgoing
from kith.federation.resolver import Resolver
from kith.federation.usage import Usage
from kith.ports.store import LogStore
from kith.wire.errors import StanzaError
from kith.wire.parser import ParserPool


def make_opening(
    randomness: Randomness, dns_server: str, context: ssl.SSLContext, pool: ParserPool, secret: Secret
) -> Opening:
    """What opens streams to other servers. ``context``: TLS towards them. ``secret`` is the server's."""
    connector = Connector(Resolver(randomness, dns_server), context, pool)
    return Opening(connector, Keys(secret.key("dialback")))


async def return_what_waits(
    domain: Domain, store: LogStore, bounces: Bounces, tasks: Tasks, clock: Clock
) -> None:
    """Returns messages for other servers to their senders, because federation was switched off."""
    usage = Usage(store, tasks, clock, domain.name)
    problem = StanzaError("remote-server-not-found", "this server is not connected with others any more")
    for name in {queued.domain for queued in await usage.read()}:
        await DomainOutbox(name, store, bounces, usage).bounce(problem)


class Federation:
    """Federation of this server: what incoming streams need, and the host for all other domains."""

    def __init__(
        self,
        domain: Domain,
        tasks: Tasks,
        figures: Figures,
        randomness: Randomness,
        hosts: Hosts,
        post: Post,
        router: Router,
        outgoing: Outgoing,
    ) -> None:
        self.domain = domain
        self.tasks = tasks
        self.figures = figures
        self.randomness = randomness
        self.hosts = hosts
        self.post = post
        self.router = router
        self.outgoing = outgoing
        hosts.remote = outgoing

    def is_here(self, domain: str) -> bool:
        """Whether a domain is this server's, or that of a service of it."""
        return domain == self.domain.name or self.hosts.here(domain) is not None
