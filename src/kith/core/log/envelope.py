"""A message on its way from the commit queue to sessions and hooks."""

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
    """The interface of the object that handles a message after its commit."""

    def deliver(self, envelope: Envelope) -> None:
        """The message is durable, and was not stored before."""

    def unstored(self, envelope: Envelope, error: BaseException) -> None:
        """The message could not be stored. Its sender has to get the error."""

    def known(self, envelope: Envelope) -> None:
        """The message is a retry of one that is durable."""


class Envelope:
    """A message with its sender and recipient.

    ``id``: its id in the log; 0 if it is not logged. ``data``: the stored stanza; what an account receives
    also has a stanza id (`for_owner`). ``sender``: None for messages from the server itself. ``after``:
    handles it after the commit; None only if it is not logged.
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
        """The message as the account ``bare`` receives it, with its stanza id (XEP-0359 §3.1)."""
        if not self.id:
            return self.data
        if self._owner != bare:
            self._owner = bare
            self._owner_data = self.data[: -len(_END)] + stanza_id(self.id, bare) + _END
        return self._owner_data

    def committed(self, existing: int | None, error: BaseException | None) -> None:
        """Handles the store's answer (`kith.ports.store.Append.done`).

        Then the sender may be acknowledged.
        """
        after, sender = self.after, self.sender
        assert after is not None
        assert sender is not None
        if error is not None:
            after.unstored(self, error)
        elif existing is None:
            after.deliver(self)
        else:
            after.known(self)
        sender.committed()


def stanza_id(id: int, by: str) -> bytes:
    """The ``<stanza-id/>`` for a message in the log of ``by`` (XEP-0359 §3.1)."""
    return f"<stanza-id xmlns='{ns.STANZA_ID}' id='{to_text(id)}' by='{escape_attribute(by)}'/>".encode()
