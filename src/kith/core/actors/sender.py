"""Who has sent a stanza: a session of an account here, or an address elsewhere."""

from __future__ import annotations

from typing import Protocol

from kith.core.actors.account import Account
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Sender(Protocol):
    """``jid`` is the full address, ``full`` the same as text, ``bare`` the text without the resource.

    ``account`` is None for those whose account is not here. Messages of one sender are handled in order:
    ``committing`` of them wait for the log. A `kith.core.actors.account.Session` is one.
    """

    jid: JID
    full: str
    bare: str

    @property
    def key(self) -> bytes | None:
        """Stands for the message that it sends now, if that has no origin id: the same if it comes again."""

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
