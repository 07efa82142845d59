"""The sender of a stanza: a session of this node, or an address elsewhere."""

from __future__ import annotations

from typing import Protocol

from kith.core.actors.account import Account
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Sender(Protocol):
    """The interface of senders. A `kith.core.actors.account.Session` is one.

    ``jid``: the full address. ``full``: the same as text. ``bare``: the text without the resource.
    ``account``: None if the account is not on this node. ``committing``: how many of its messages wait for
    a commit; messages of one sender are handled in order.
    """

    jid: JID
    full: str
    bare: str

    @property
    def key(self) -> bytes | None:
        """A key for the present message if that has no origin id; a retry has the same key."""

    @property
    def account(self) -> Account | None: ...
    @property
    def committing(self) -> int: ...

    def send(self, stanza: Stanza) -> None:
        """Sends a stanza to the sender."""

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, unless it was itself an answer."""

    def pipelined(self) -> None:
        """Asynchronous work has queued a message for the log, so that a commit follows."""

    def committed(self) -> None:
        """The oldest message that waited for a commit was handled."""
