"""What was written goes out from here: in order, encrypted once, the same again until it is acknowledged."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from kith.client import sendable, stanzas
from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.errors import ClientError, NotEncrypted, NotSendable
from kith.client.events import Event, MessageChanged
from kith.client.flights import Flights
from kith.client.history import History
from kith.client.message import Message, State
from kith.client.stream import Stream
from kith.client.turn import Interrupted, Turn

#: The row of a message, or (peer, kind, id) of an answer.
_Key = int | tuple[str, str, str]

_BATCH = 16
_TOO_OFTEN = "The connection ended each time that it was sent"


@dataclass(frozen=True, slots=True)
class _Flight:
    """What is on its way. ``landed`` and ``failed`` write down how that ended."""

    key: _Key
    landed: Callable[[], None]
    failed: Callable[[str], None]


class Outbox:
    """The queued messages of the history, and the answers that are owed.

    A message leaves the queue when the server has acknowledged it (XEP-0198; where the server does not
    acknowledge, when it has answered a ping that went out later). After a lost session what was in flight
    goes out again as the same stanza, and the server drops what it has.

    What was in flight when a connection ended is suspected (`Flights`): enough suspicion, and things go out
    one by one, until the stanza that ends connections is alone, and fails alone.
    """

    __slots__ = (
        *("_accepted", "_careful", "_commit", "_db", "_encryption", "_flights", "_flying", "_history"),
        *("_introduction", "_landing", "_looked_at", "_online", "_progress", "_publish", "_session"),
        *("_stream", "_tried", "_turn", "_waiting", "_wake"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        turn: Turn,
        publish: Callable[[Event], None],
        accepted: Callable[[str], bool],
        introduction: Callable[[str], str],
    ) -> None:
        """``accepted(peer)``: whether the peer may hear that something was received or read.

        ``introduction(peer)``: our name for a peer who may not know us; else nothing.
        """
        self._introduction = introduction
        self._accepted = accepted
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._turn = turn
        self._publish = publish
        self._flights = Flights(database)
        self._online = False
        self._session = 0
        """Grows with each connection and each session: what was begun in another is begun anew."""
        self._careful = self._flights.suspicious
        self._looked_at = 0
        """Up to this row, all that waits was tried in this session."""
        self._progress = False
        """Whether anything was acknowledged on this connection."""
        self._commit: asyncio.Handle | None = None
        self._wake = asyncio.Event()
        self._flying: dict[str, _Flight] = {}
        self._tried: set[_Key] = set()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._landing: asyncio.Task[None] | None = None
        stream.add_event_handler("stanza_acked", self._on_acked)

    def connected(self, online: bool, lost: bool = False) -> None:
        """The link is up (and may be a resumed one), or down: then nobody waits for it any longer.

        ``lost``: it went down by itself, and not because this program closed it.
        """
        if self._online and lost:
            self._judge()
        self._online = online
        if online:
            self._session += 1
            # A resumed stream repeats what it had sent. What fell between the connections is not in there.
            repeated = self._stream.unacknowledged()
            for id in [id for id in self._flying if id not in repeated]:
                self._tried.discard(self._flying.pop(id).key)
            self._looked_at = 0
            self._progress = False
            self._wake.set()
            return
        if self._landing is not None:
            self._landing.cancel()
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)

    def lost(self) -> None:
        """A new session: what flew in the old one has to go out again, if it was not acknowledged."""
        self._session += 1
        self._flying.clear()
        self._tried.clear()
        self._looked_at = 0

    def wake(self) -> None:
        self._wake.set()

    def again(self, message: Message) -> None:
        """A failed message was queued once more."""
        self._tried.discard(message.row)
        self._looked_at = 0

    async def handed_over(self, message: Message) -> None:
        """Returns when it is on the wire, or clearly has to wait. Raises NotEncrypted, NotSendable."""
        if not self._online:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[message.row] = future
        self._wake.set()
        try:
            await future
        finally:
            del self._waiting[message.row]

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._online and (batch := self._next_messages()):
                await self._send(batch)
            for owed in self._history.owed():
                if self._may_send(owed) and self._accepted(owed[0]):
                    self._answer(*owed)
            if self._flying:
                self._ask()
            for future in self._waiting.values():
                if not future.done() and self._careful:
                    future.set_result(None)

    def _may_send(self, key: _Key) -> bool:
        return self._online and key not in self._tried and not (self._careful and self._flying)

    def _next_messages(self) -> list[Message]:
        """The next few that wait, in order; when something is suspected, one at a time."""
        if self._careful and self._flying:
            return []
        while found := self._history.queued(self._looked_at, 1 if self._careful else _BATCH):
            fresh = [message for message in found if message.row not in self._tried]
            if fresh:
                return fresh
            self._looked_at = found[-1].row
        return []

    async def _send(self, messages: list[Message]) -> None:
        """Encrypts them, makes that durable at once, and sends them."""
        session = self._session
        ready: list[tuple[Message, list[Element]]] = []
        for message in messages:
            try:
                content = self._flights.content(message.id) or await self._content(message)
            except Interrupted:
                break
            except NotEncrypted as error:
                self._refuse(message, error)
            else:
                ready.append((message, content))
        self._db.commit()
        for message, content in ready:
            # In another session those before it, which the last one has lost, go out first
            if not self._online or session != self._session:
                return
            self._looked_at = message.row
            try:
                self._launch(message.peer, message.id, content, self._message_flight(message))
            except NotSendable as error:
                self._refuse(message, error)
            else:
                self._settle_waiting(message.row, None)
        if self._flying:
            self._ask()

    async def _content(self, message: Message) -> list[Element]:
        """What goes out under this id, now and at each retry. Raises NotEncrypted, Interrupted."""
        element = await self._encrypted(message) if message.encrypted else None
        content = stanzas.text_message(message.id, message.body, element, self._introduction(message.peer))
        self._flights.keep(message.id, content)
        self._history.note_digest(message, stanzas.digest(content))
        return content

    async def _encrypted(self, message: Message) -> Element:
        try:
            return await self._turn.take(self._encryption.encrypt(message.peer, message.body))
        except (NotEncrypted, Interrupted):
            raise
        except Exception as error:
            # Half-way through a lost connection: it stays queued for the next one.
            if not self._stream.is_connected():
                raise Interrupted from None
            raise NotEncrypted(f"It could not be encrypted: {error}") from error

    def _message_flight(self, message: Message) -> _Flight:
        return _Flight(
            message.row, lambda: self._sent(message), lambda why: self._refuse(message, NotSendable(why))
        )

    def _refuse(self, message: Message, error: ClientError) -> None:
        failed = self._history.fail(message, str(error))
        self._flights.forget(message.id)
        self._db.commit()
        self._settle_waiting(message.row, error)
        self._publish(MessageChanged(failed))

    def _settle_waiting(self, row: int, error: ClientError | None) -> None:
        future = self._waiting.get(row)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def _sent(self, message: Message) -> None:
        self._flights.forget(message.id)
        current = self._history.get(message.row)
        changed = None
        if current.state is State.QUEUED:  # else it came back, or was even read, before its acknowledgement
            changed = self._history.raise_state(current, State.SENT)
        self._commit_soon()
        if changed is not None:
            self._publish(MessageChanged(changed))

    def _commit_soon(self) -> None:
        """Once for all that one acknowledgement covers. If that is lost, they only go out once more."""

        def commit() -> None:
            self._commit = None
            with suppress(sqlite3.ProgrammingError):  # the client was closed, and has committed
                self._db.commit()

        if self._commit is None:
            self._commit = asyncio.get_running_loop().call_soon(commit)

    def _answer(self, peer: str, kind: str, id: str) -> None:
        key = (peer, kind, id)
        own = str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(key)))

        def done(_: str = "") -> None:
            self._history.settle(*key)
            self._flights.forget(own)
            self._commit_soon()

        try:
            self._launch(peer, own, stanzas.answer(kind, id), _Flight(key, done, done))
        except NotSendable:
            done()

    def _launch(self, peer: str, id: str, children: list[Element], flight: _Flight) -> None:
        """Raises NotSendable."""
        stanza = self._stream.make_message(peer, mtype="chat")
        stanza["id"] = id
        for child in children:
            stanza.append(child)
        self._stream.send(stanza)
        self._tried.add(flight.key)
        self._flying[id] = flight

    def _ask(self) -> None:
        """For the server's word on all that was sent."""
        if self._stream.acknowledged:
            self._stream.request_ack()
        elif self._landing is None or self._landing.done():
            self._landing = asyncio.create_task(self._wait_for_answer())

    async def _wait_for_answer(self) -> None:
        """Of a server without XEP-0198: it works in order, so what was sent before the ping has arrived."""
        while self._flying:
            before = list(self._flying)
            if not await self._stream.answers():
                self._stream.abort()
                return
            for id in before:
                self._landed(id)

    def _on_acked(self, stanza: Any) -> None:
        self._landed(str(stanza["id"]))

    def _landed(self, id: str) -> None:
        flight = self._flying.pop(id, None)
        if flight is None:
            return
        self._progress = True
        flight.landed()
        if self._careful:
            self._careful = self._flights.suspicious
            self._wake.set()

    def _judge(self) -> None:
        """The connection has ended. Was it for something that was on its way?

        A stream error may be about any of it. Without one, networks and servers just fail, too; but if
        nothing at all was acknowledged, it may be the first that was sent.
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
            strikes = self._flights.strike(id, 1 if condition is None else Flights.SUSPICIOUS)
            if alone and strikes >= Flights.GUILTY:
                reason = f": {condition.replace('-', ' ')}" if condition else ""
                self._flying.pop(id).failed(f"{_TOO_OFTEN}{reason}.")
        self._db.commit()
        if self._flights.suspicious:
            self._careful = True
            self._stream.end_session()
