"""Puts the parts together for one server."""

from __future__ import annotations

import hmac
import ssl
from pathlib import Path

from kith.core.node import Node
from kith.federation.connection import Connector
from kith.federation.dialback import Keys
from kith.federation.incoming import IncomingStream
from kith.federation.outgoing import Outgoing
from kith.federation.resolver import Resolver
from kith.ports.connection import Security, Sink
from kith.wire.parser import ParserPool


class Federation:
    """``secret`` is the server's; certificate and key are shown to other servers."""

    def __init__(self, domain: Node, pool: ParserPool, secret: bytes, certificate: Path, key: Path) -> None:
        """Raises OSError, ssl.SSLError for files that can't be used."""
        config = domain.config
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.federation_ca is not None:
            context.load_verify_locations(config.federation_ca)
        context.load_cert_chain(certificate, key)
        connector = Connector(Resolver(config.dns_server), context, pool)
        self.outgoing = Outgoing(domain, connector, Keys(hmac.digest(secret, b"dialback", "sha256")))
        domain.hosts.abroad = self.outgoing

    def stream(self, sink: Sink, security: Security) -> IncomingStream:
        """For a new connection from another server."""
        return IncomingStream(self.outgoing, sink, security)
