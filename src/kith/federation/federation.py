"""Puts the parts of federation together."""

from __future__ import annotations

import hmac
import ssl
from pathlib import Path

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.routing.hosts import Hosts
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.federation.connection import Connector
from kith.federation.dialback import Keys
from kith.federation.outgoing import Outgoing
from kith.federation.resolver import Resolver
from kith.wire.parser import ParserPool


class Federation:
    """Federation of this server: makes incoming streams, and is the host for all other domains.

    ``secret`` is the server's. ``certificate`` and ``key`` are used towards other servers.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        tasks: Tasks,
        figures: Figures,
        randomness: Randomness,
        hosts: Hosts,
        post: Post,
        router: Router,
        pool: ParserPool,
        secret: bytes,
        certificate: Path,
        key: Path,
    ) -> None:
        """Loads the certificates. Raises OSError and ssl.SSLError if a file can't be used."""
        self.domain = domain
        self.tasks = tasks
        self.figures = figures
        self.randomness = randomness
        self.hosts = hosts
        self.post = post
        self.router = router
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.federation_ca is not None:
            context.load_verify_locations(config.federation_ca)
        context.load_cert_chain(certificate, key)
        connector = Connector(Resolver(randomness, config.dns_server), context, pool)
        keys = Keys(hmac.digest(secret, b"dialback", "sha256"))
        self.outgoing = Outgoing(clock, tasks, post, connector, keys)
        hosts.remote = self.outgoing
