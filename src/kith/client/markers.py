"""What others say about messages: receipts (XEP-0184), markers (XEP-0333), and errors that come back."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.events import Event, MessageChanged
from kith.client.history import History
from kith.client.message import Kind, State
from kith.client.undo import Undo


class Markers:
    """Moves the states of messages on. Callers commit."""

    __slots__ = ("_history", "_publish", "_undo")

    def __init__(self, history: History, undo: Undo, publish: Callable[[Event], None]) -> None:
        self._history = history
        self._undo = undo
        self._publish = publish

    def handle(self, message: Element, peer: str, incoming: bool) -> None:
        """A receipt or marker of the peer for our messages, or of our other devices for the peer's."""
        receipt = stanzas.named(message, stanzas.RECEIPTS, ("received",))
        marker = stanzas.named(message, stanzas.MARKERS, ("displayed", "acknowledged", "received"))
        if incoming:
            if receipt is not None:
                self._raise_state(peer, receipt[1], State.DELIVERED)
            if marker is not None:
                state = State.DELIVERED if marker[0] == "received" else State.READ
                self._raise_state(peer, marker[1], state)
        elif marker is not None and marker[0] != "received":
            read = self._history.incoming(peer, marker[1])
            if read is not None:
                self._history.mark_read(peer, read)
                self._publish(MessageChanged(read))

    def handle_error(self, message: Element, peer: str) -> None:
        """A message of type error: one of ours came back."""
        ours = self._history.ours(peer, message.get("id", ""))
        if ours is not None and ours.state in (State.QUEUED, State.SENT):
            failed = self._history.fail(ours, stanzas.error_text(message))
            for event in self._undo.failed(failed):
                self._publish(event)

    def _raise_state(self, peer: str, id: str, state: State) -> None:
        message = self._history.ours(peer, id)
        if message is None:
            return
        changed = self._history.raise_state(message, state)
        found = [changed] if changed else []
        if state is State.READ:
            found += self._history.read_by_peer(message)
        for one in found:
            if one.kind is Kind.TEXT:
                self._publish(MessageChanged(one))
            else:
                self._undo.settled(one)
