"""A message on its way: from the commit queue to the sessions, and to the hooks."""

from __future__ import annotations

from typing import Protocol

from kith.base.ids import to_text
from kith.core.actors.account import Session
from kith.core.actors.sender import Sender
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

_END = b"</message>"


class After(Protocol):
    """Who goes on with a message when the store has answered."""

    def deliver(self, envelope: Envelope) -> None:
        """The message is durable, and was not there before."""

    def unstored(self, envelope: Envelope, error: BaseException) -> None:
        """The message could not be stored: its sender has to be told."""


class Envelope:
    """A message, where it goes and who has sent it.

    ``id`` is its id in the log, 0 for what is not logged. ``data`` is the stanza as stored; what an account
    reads also has a stanza id (`for_owner`). ``sender`` is None for what the server says itself.
    ``after`` goes on after the commit; only what is not logged does without.
    """

    __slots__ = (
        "_owner",
        "_owner_data",
        "after",
        "data",
        "delivered_to",
        "id",
        "sender",
        "stanza",
        "to",
    )

    def __init__(
        self,
        id: int,
        data: bytes,
        stanza: Stanza,
        to: JID,
        sender: Sender | None,
        after: After | None = None,
    ) -> None:
        self.id = id
        self.data = data
        self.stanza = stanza
        self.to = to
        self.sender = sender
        self.after = after
        self.delivered_to: list[Session] = []
        self._owner = ""
        self._owner_data = b""

    def for_owner(self, bare: str) -> bytes:
        """The message as the account ``bare`` reads it, with its stanza id (XEP-0359 §3.1)."""
        if not self.id:
            return self.data
        if self._owner != bare:
            self._owner = bare
            self._owner_data = self.data[: -len(_END)] + stanza_id(self.id, bare) + _END
        return self._owner_data

    def committed(self, existing: int | None, error: BaseException | None) -> None:
        """The store's answer (`kith.ports.store.Append.done`); then the sender may be acknowledged."""
        after, sender = self.after, self.sender
        assert after is not None
        assert sender is not None
        if error is not None:
            after.unstored(self, error)
        elif existing is None:
            after.deliver(self)
        sender.committed()


def stanza_id(id: int, by: str) -> bytes:
    """``<stanza-id/>`` of the log of ``by`` (XEP-0359 §3.1)."""
    return f"<stanza-id xmlns='{ns.STANZA_ID}' id='{to_text(id)}' by='{escape_attribute(by)}'/>".encode()
