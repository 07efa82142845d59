"""Stanzas that were sent and are not acknowledged yet: tells their end, and finds one that ends
connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree.ElementTree import Element

from kith.client import sendable
from kith.client.database import Database
from kith.client.stream import Stream
from kith.client.unacknowledged import Unacknowledged

#: The row of a message in the history, or (peer, kind, id) of a receipt or marker.
Key = int | tuple[str, str, str]

_FAILED = "The connection ended each time that it was sent"


@dataclass(frozen=True, slots=True)
class Flight:
    """One stanza on its way. One of the callbacks is called, once, when its fate is known.

    ``acknowledged()``: the server has it. ``failed(why)``: it was found to end connections. ``stays``: it is
    not over once it is acknowledged, and is not sent again in this session before `InFlight.settle`.
    """

    key: Key
    acknowledged: Callable[[], None]
    failed: Callable[[str], None]
    stays: bool = False


class InFlight:
    """Sends stanzas and follows them until the server has acknowledged them.

    Acknowledged means by stream management (XEP-0198) or, where the server has none, that it has answered a
    ping that was sent later.

    A stanza in flight when a connection ended is suspected of having caused that. Each such stanza collects
    strikes (`Unacknowledged`). With enough of them, stanzas are sent one at a time, until the one that ends
    connections is alone in flight, and fails alone. This also works across restarts of the program.
    """

    __slots__ = (
        *("_answers", "_db", "_flying", "_on_progress", "_pinging", "_progress", "_stanzas", "_stream"),
        *("_tried", "one_at_a_time", "stored"),
    )

    def __init__(self, stream: Stream, database: Database, on_progress: Callable[[], None]) -> None:
        """``on_progress`` is called when the next stanza may go out, after one was acknowledged."""
        self._stream = stream
        self._db = database
        self._on_progress = on_progress
        self.stored = Unacknowledged(database)
        self.one_at_a_time = self.stored.suspicious
        """Whether some stanza is suspected, so that only one at a time may be in flight."""
        self._progress = False
        """Whether anything was acknowledged on this connection."""
        self._flying: dict[str, Flight] = {}
        self._stanzas: dict[str, Any] = {}
        """The stanzas in flight, since one may follow another with the same id."""
        self._answers: set[str] = set()
        """The ids of the receipts and markers in flight."""
        self._tried: set[Key] = set()
        self._pinging: asyncio.Task[None] | None = None
        stream.add_event_handler("stanza_acked", self._on_acked)

    def may_send(self, key: Key) -> bool:
        """Whether a stanza may go out now: it was not sent in this session, and need not go out alone."""
        return key not in self._tried and not self.must_wait

    @property
    def must_wait(self) -> bool:
        """Whether the stanza in flight has to be acknowledged before the next one is sent."""
        return self.one_at_a_time and bool(self._flying)

    def was_sent(self, key: Key) -> bool:
        """Whether it was sent in this session."""
        return key in self._tried

    @property
    def receipts(self) -> int:
        """How many receipts and markers are in flight."""
        return len(self._answers)

    def retry(self, key: Key) -> None:
        """Lets it be sent once more in this session."""
        self._tried.discard(key)

    def drop(self, key: Key, id: str) -> None:
        """It was refused, so that another stanza with the same id takes its place."""
        self._land(id)
        self._tried.discard(key)

    def settle(self, key: Key, id: str) -> None:
        """It has arrived: not only the server has it."""
        known = id in self._flying
        self.drop(key, id)
        if known:
            self._go_on()

    def send(
        self,
        peer: str,
        id: str,
        children: list[Element],
        flight: Flight,
        type: Literal["chat", "groupchat"] = "chat",
    ) -> None:
        """Sends a message stanza with these children. Raises NotSendable."""
        stanza = self._stream.make_message(peer, mtype=type)
        stanza["id"] = id
        for child in children:
            stanza.append(child)
        self._stream.send(stanza)
        self._tried.add(flight.key)
        self._flying[id] = flight
        self._stanzas[id] = stanza
        if isinstance(flight.key, tuple):
            self._answers.add(id)

    def request_acknowledgement(self) -> None:
        """Asks the server to acknowledge what is in flight, if anything is."""
        if not self._flying:
            return
        if self._stream.acknowledged:
            self._stream.request_ack()
        elif self._pinging is None or self._pinging.done():
            self._pinging = asyncio.create_task(self._ping())

    # connections and sessions

    def on_connected(self) -> None:
        """A connection is up, perhaps of a resumed session.

        A resumed stream repeats what it had sent. Stanzas that were sent between the connections are not
        among these, so they have to be sent again.
        """
        repeated = self._stream.unacknowledged()
        for id in [id for id in self._flying if id not in repeated]:
            self.drop(self._flying[id].key, id)
        self._progress = False

    def on_disconnected(self) -> None:
        """The connection is down."""
        if self._pinging is not None:
            self._pinging.cancel()

    def on_session_lost(self) -> None:
        """A new session began. What is not acknowledged has to go out again."""
        self._flying.clear()
        self._stanzas.clear()
        self._answers.clear()
        self._tried.clear()

    def suspect(self) -> None:
        """The connection was lost. Decides whether something in flight may have caused that.

        A stream error may be about any stanza in flight. Without one, networks and servers fail as well; but
        if nothing at all was acknowledged, the first stanza may be the cause.
        """
        condition = self._stream.ended_by
        if condition is None:
            suspects = [] if self._progress else list(self._flying)[:1]
        elif sendable.blames_a_stanza(condition):
            suspects = list(self._flying)
        else:
            suspects = []
        alone = len(self._flying) == 1
        for id in suspects:
            strikes = self.stored.strike(id, 1 if condition is None else Unacknowledged.SUSPICIOUS)
            if alone and strikes >= Unacknowledged.GUILTY:
                reason = f": {condition.replace('-', ' ')}" if condition else ""
                if (flight := self._land(id)) is not None:
                    flight.failed(f"{_FAILED}{reason}.")
        self._db.commit()
        if self.stored.suspicious:
            self.one_at_a_time = True
            self._stream.end_session()

    # acknowledgements

    async def _ping(self) -> None:
        """For servers without XEP-0198: they work in order, so what was sent before the ping has arrived."""
        while self._flying:
            before = list(self._flying)
            if not await self._stream.answers():
                self._stream.abort()
                return
            for id in before:
                self._acknowledged(id)

    def _on_acked(self, stanza: Any) -> None:
        id = str(stanza["id"])
        if self._stanzas.get(id, stanza) is stanza:
            self._acknowledged(id)

    def _acknowledged(self, id: str) -> None:
        flight = self._land(id)
        if flight is None:
            return
        flight.acknowledged()
        if not flight.stays:
            self._tried.discard(flight.key)  # it has left the queue, and would be remembered for ever
        self._go_on()

    def _land(self, id: str) -> Flight | None:
        self._stanzas.pop(id, None)
        self._answers.discard(id)
        return self._flying.pop(id, None)

    def _go_on(self) -> None:
        self._progress = True
        if self.one_at_a_time:
            self.one_at_a_time = self.stored.suspicious
            self._on_progress()
