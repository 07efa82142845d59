"""Requests to a few domains of other servers while federation is off (XEP-0288 for their answers).

Nothing is listened on, so other servers can't connect. The streams are opened by this server, which proves
its domain with its certificate (XEP-0178), as nobody could verify a dialback key; answers come back over the
same stream. A server that can't do that gets the requests, but its answers are lost.
"""

from __future__ import annotations

import contextlib

from kith.base.domain import Domain
from kith.config import Config
from kith.core.actors.intake import Work
from kith.core.actors.sender import Sender
from kith.core.routing.foreign import Foreign
from kith.core.routing.hosts import Hosts
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.federation.outgoing import Outgoing
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_NOT_CONNECTED = StanzaError("service-unavailable", "this server is not connected with others")


class Outbound:
    """The host for the domains in ``push_services``."""

    #: Answers to requests are never stored (`kith.core.routing.foreign.Link`).
    committing = 0

    def __init__(
        self, config: Config, domain: Domain, hosts: Hosts, post: Post, router: Router, outgoing: Outgoing
    ) -> None:
        self._domain = domain
        self._hosts = hosts
        self._post = post
        self._router = router
        self.outgoing = outgoing
        outgoing.answers = self.take
        for name in config.push_services:
            if hosts.here(name) is None and name != domain.name:
                hosts.add(name, self)
                hosts.keeping[name] = self

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Sends a request, such as that of a client that registers itself there. Raises StanzaError."""
        if stanza.kind != "iq" or sender.domain != self._domain.name:
            raise StanzaError("remote-server-not-found", "this server is not connected with others")
        self.outgoing.receive(stanza, sender, to)

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        """Refuses messages."""
        raise StanzaError("remote-server-not-found", "this server is not connected with others")

    def take(self, local: str, remote: str, stanza: Stanza) -> None:
        """Another server has sent something over a stream that was opened to it.

        Only answers are taken: with federation off, nobody elsewhere can ask or write.
        """
        try:
            sender, to = parse_jid(stanza.attrs["from"]), parse_jid(stanza.attrs["to"])
        except (KeyError, ValueError):
            return
        if sender.domain != remote or to.domain != local or local != self._domain.name:
            return
        with contextlib.suppress(StanzaError):  # not an answer, or too much waits for that server
            if stanza.kind == "iq" and stanza.type in ("result", "error"):
                self._router.admit(Foreign(sender, self, self._post), stanza, to)
            elif stanza.kind != "presence" and (answer := stanza.error(_NOT_CONNECTED)) is not None:
                self.outgoing.receive(answer, to, sender)

    def pipelined(self) -> None:
        """Never called, as answers are never stored."""

    def committed(self) -> None:
        """Never called, as answers are never stored."""
