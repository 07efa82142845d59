"""Who has sent a stanza: a session of an account here, or an address elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.actors.account import Account
    from kith.core.actors.intake import Intake
    from kith.core.node import Node


class Sender(Protocol):
    """``jid`` is the full address, ``full`` the same as text, ``bare`` the text without the resource.

    ``account`` is None for those who are not of this server. Messages of one sender are handled in
    order: ``committing`` of them wait for the log.
    """

    jid: JID
    full: str
    bare: str

    @property
    def domain(self) -> Node: ...
    @property
    def account(self) -> Account | None: ...
    @property
    def committing(self) -> int: ...

    def send(self, stanza: Stanza) -> None:
        """Sends a stanza back."""

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, unless it was itself an answer."""

    def pipelined(self) -> None:
        """Work that began as asynchronous turned into a commit."""

    def committed(self) -> None:
        """The oldest message that waited for the log is handled."""


class Foreign:
    """An address of another domain, whose stanza came over ``link``."""

    __slots__ = ("bare", "full", "jid", "link")

    def __init__(self, jid: JID, link: Intake) -> None:
        self.jid = jid
        self.full = str(jid)
        self.bare = jid.bare
        self.link = link

    @property
    def domain(self) -> Node:
        return self.link.domain

    @property
    def account(self) -> None:
        return None

    @property
    def committing(self) -> int:
        return self.link.committing

    def send(self, stanza: Stanza) -> None:
        """In the name of the one that it is from: the domain, an account or a service."""
        origin = stanza.attrs.get("from")
        self.domain.post.abroad(stanza, parse_jid(origin) if origin else self.domain.jid, self.jid)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        answer = stanza.error(error)
        if answer is not None:
            self.send(answer)

    def pipelined(self) -> None:
        self.link.pipelined()

    def committed(self) -> None:
        self.link.committed()
