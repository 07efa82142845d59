"""What was written goes out from here: in order, encrypted at the last moment, again until acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.errors import ClientError, NotEncrypted
from kith.client.events import Event, MessageChanged
from kith.client.history import History
from kith.client.message import Message, State
from kith.client.stream import Stream
from kith.client.turn import Interrupted, Turn

#: The row of a message, or (peer, kind, id) of an answer.
_Key = int | tuple[str, str, str]


class Outbox:
    """The queued messages of the history, and the answers that are owed.

    A message leaves the queue when the server has acknowledged it (XEP-0198). After a lost session
    what was in flight goes out again under the same origin id, and the server drops what it has.
    """

    __slots__ = (
        *("_db", "_encryption", "_flying", "_history", "_online", "_publish", "_stream"),
        *("_tried", "_turn", "_waiting", "_wake"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        turn: Turn,
        publish: Callable[[Event], None],
    ) -> None:
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._turn = turn
        self._publish = publish
        self._online = False
        self._wake = asyncio.Event()
        self._flying: dict[str, tuple[_Key, Callable[[], None]]] = {}
        self._tried: set[_Key] = set()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        stream.add_event_handler("stanza_acked", self._on_acked)

    def connected(self, online: bool) -> None:
        """The link is up (and may be a resumed one), or down: then nobody waits for it any longer."""
        self._online = online
        if online:
            # A resumed stream repeats what it had sent. What fell between the connections is not in there.
            repeated = self._stream.unacknowledged()
            for id in [id for id in self._flying if id not in repeated]:
                self._tried.discard(self._flying.pop(id)[0])
            self._wake.set()
            return
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)

    def lost(self) -> None:
        """A new session: what flew in the old one has to go out again, if it was not acknowledged."""
        self._flying.clear()
        self._tried.clear()

    def wake(self) -> None:
        self._wake.set()

    async def handed_over(self, message: Message) -> None:
        """Returns when the message is on the wire, or clearly has to wait. Raises NotEncrypted."""
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
            sent = False
            for message in self._history.queued():
                if self._online and message.row not in self._tried:
                    sent = await self._send(message) or sent
            for owed in self._history.owed():
                if self._online and owed not in self._tried:
                    self._answer(*owed)
                    sent = True
            if sent:
                self._stream.request_ack()

    async def _send(self, message: Message) -> bool:
        element: Element | None = None
        if message.encrypted:
            try:
                element = await self._turn.take(self._encryption.encrypt(message.peer, message.body))
            except NotEncrypted as error:
                self._refuse(message, error)
                return False
            except Interrupted:
                return False
            except Exception as error:
                # Half-way through a lost connection: it stays queued for the next one.
                if self._stream.is_connected():
                    self._refuse(message, NotEncrypted(f"It could not be encrypted: {error}"))
                return False
            self._db.commit()
        if not self._online:
            return False
        self._tried.add(message.row)
        self._launch(message.peer, message.id, stanzas.text_message(message.id, message.body, element))
        self._flying[message.id] = (message.row, lambda: self._sent(message))
        future = self._waiting.get(message.row)
        if future is not None and not future.done():
            future.set_result(None)
        return True

    def _refuse(self, message: Message, error: ClientError) -> None:
        failed = self._history.fail(message, str(error))
        self._db.commit()
        future = self._waiting.get(message.row)
        if future is not None and not future.done():
            future.set_exception(error)
        self._publish(MessageChanged(failed))

    def _sent(self, message: Message) -> None:
        changed = self._history.raise_state(self._history.get(message.row), State.SENT)
        self._db.commit()
        if changed is not None:
            self._publish(MessageChanged(changed))

    def _answer(self, peer: str, kind: str, id: str) -> None:
        own = f"{kind}-{id}"
        key = (peer, kind, id)
        self._tried.add(key)
        self._launch(peer, own, stanzas.answer(kind, id))
        self._flying[own] = (key, lambda: self._history.settle(*key))

    def _launch(self, peer: str, id: str, children: list[Element]) -> None:
        stanza = self._stream.make_message(peer, mtype="chat")
        stanza["id"] = id
        for child in children:
            stanza.append(child)
        stanza.send()
        if not self._stream.acknowledged:
            asyncio.get_running_loop().call_soon(self._landed, id)

    def _on_acked(self, stanza: Any) -> None:
        self._landed(str(stanza["id"]))

    def _landed(self, id: str) -> None:
        flight = self._flying.pop(id, None)
        if flight is not None:
            flight[1]()
