"""Senders of other domains: stanzas come over a link, answers go as all stanzas do."""

from __future__ import annotations

from typing import Protocol

from kith.core.routing.post import Post
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza


class Link(Protocol):
    """What carries stanzas from elsewhere, in their order: a `kith.core.actors.intake.Intake` does."""

    @property
    def committing(self) -> int:
        """How many of its messages wait for the log."""

    def pipelined(self) -> None:
        """Work that began as asynchronous turned into a commit."""

    def committed(self) -> None:
        """The oldest message that waited for the log is handled."""


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
        """In the name of the one that it is from: the domain, an account or a service."""
        origin = stanza.attrs.get("from")
        self._post.abroad(stanza, parse_jid(origin) if origin else self._post.domain.jid, self.jid)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        answer = stanza.error(error)
        if answer is not None:
            self.send(answer)

    def pipelined(self) -> None:
        self.link.pipelined()

    def committed(self) -> None:
        self.link.committed()
