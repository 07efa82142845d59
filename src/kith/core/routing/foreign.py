"""Senders of other domains. Their stanzas arrive over a link; answers are routed as any other stanza."""

from __future__ import annotations

from typing import Protocol

from kith.core.routing.post import Post
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza


class Link(Protocol):
    """Brings stanzas from elsewhere in order; implemented by `kith.core.actors.intake.Intake`."""

    @property
    def committing(self) -> int:
        """How many of its messages are waiting for the log."""

    def pipelined(self) -> None:
        """Notes that asynchronous work has become a commit."""

    def committed(self) -> None:
        """Notes that the oldest message waiting for the log is handled."""


class Foreign:
    """A `kith.core.actors.sender.Sender` of another domain, whose stanza came over ``link``."""

    __slots__ = ("_post", "bare", "full", "jid", "link")

    def __init__(self, jid: JID, link: Link, post: Post) -> None:
        self.jid = jid
        self.full = str(jid)
        self.bare = jid.bare
        self.link = link
        self._post = post

    @property
    def key(self) -> bytes | None:
        return None

    @property
    def account(self) -> None:
        return None

    @property
    def committing(self) -> int:
        return self.link.committing

    def send(self, stanza: Stanza) -> None:
        """Routes an answer, whose ``from`` is this domain, an account or a service."""
        origin = stanza.attrs.get("from")
        self._post.to_host(stanza, parse_jid(origin) if origin else self._post.domain.jid, self.jid)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        answer = stanza.error(error)
        if answer is not None:
            self.send(answer)

    def pipelined(self) -> None:
        self.link.pipelined()

    def committed(self) -> None:
        self.link.committed()
