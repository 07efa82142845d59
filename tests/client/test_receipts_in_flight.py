"""After a long absence very many receipts are owed: they go out bit by bit, between messages, all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element

from kith.client.database import Database
from kith.client.history import History
from kith.client.message import Draft, Message, State, Trust
from kith.client.outbox import _MAX_RECEIPTS, Outbox

OWED = 3 * _MAX_RECEIPTS + 7
STRANGER, FRIEND = "aaa@localhost", "ben@localhost"


class Stanza(dict[str, str]):
    """A message; the others are children."""

    def append(self, child: Element) -> None: ...


class Stream:
    """A connection whose server acknowledges when it is told to."""

    acknowledged = True

    def __init__(self) -> None:
        self.sent: list[Stanza] = []
        self.flying: list[Stanza] = []
        self.most = 0
        self._acked: Callable[[Any], None] = lambda _: None

    def add_event_handler(self, name: str, handler: Callable[[Any], None]) -> None:
        assert name == "stanza_acked"
        self._acked = handler

    def make_message(self, peer: str, mtype: str) -> Stanza:
        return Stanza(to=peer)

    def send(self, stanza: Stanza) -> None:
        self.sent.append(stanza)
        self.flying.append(stanza)
        self.most = max(self.most, len(self.flying))

    def request_ack(self) -> None: ...
    def unacknowledged(self) -> set[str]:
        return set()

    def acknowledge(self) -> int:
        flying, self.flying = self.flying, []
        for stanza in flying:
            self._acked(stanza)
        return len(flying)


class Content:
    """Messages that are not encrypted."""

    def plaintext(self, message: Message) -> str:
        return message.body

    def elements(self, message: Message, encrypted: Element | None, sealed: object) -> list[Element]:
        return [Element("body")]


class Ready:
    """Groups and files: nothing has to wait for them."""

    def must_wait(self, what: object) -> bool:
        return False

    def wake(self) -> None: ...


def outbox_of(
    stream: Stream, database: Database, history: History, accepted: Callable[[str], bool]
) -> Outbox:
    others = cast(Any, None)
    return Outbox(
        cast(Any, stream),
        database,
        history,
        *(others, others, lambda event: None, accepted),
        *(cast(Any, Content()), cast(Any, Ready()), others, cast(Any, Ready())),
    )


async def test_no_more_than_some_are_in_flight_and_all_arrive(tmp_path: Path) -> None:
    database = Database(tmp_path / "data.sqlite")
    history, stream = History(database, None), Stream()
    outbox = outbox_of(stream, database, history, lambda peer: peer != STRANGER)
    for number in range(OWED):
        history.owe(FRIEND, "received", f"message {number}")
        history.owe(STRANGER, "received", f"message {number}")
    for number in range(40):
        draft = Draft(
            *(FRIEND, f"answer {number}", "yes", False, False, Trust.PLAIN, datetime.now(UTC), State.QUEUED)
        )
        history.add(draft)
    database.commit()
    outbox.on_link_changed(True)
    running = asyncio.create_task(outbox.run())
    async with asyncio.timeout(30):
        while len(stream.sent) < OWED + 40:
            if running.done():
                running.result()
            await asyncio.sleep(0.01)
            stream.acknowledge()
    await asyncio.sleep(0.05)
    running.cancel()
    assert stream.most <= _MAX_RECEIPTS + 40
    assert len({stanza["id"] for stanza in stream.sent}) == len(stream.sent) == OWED + 40
    assert {stanza["to"] for stanza in stream.sent} == {FRIEND}
    stream.acknowledge()
    assert {peer for peer, _, _ in history.owed(("", "", ""), 9999)} == {STRANGER}


async def test_what_a_stranger_is_owed_is_not_gone_through_each_time(tmp_path: Path) -> None:
    database = Database(tmp_path / "data.sqlite")
    history, stream = History(database, None), Stream()
    asked: list[str] = []

    def accepted(peer: str) -> bool:
        asked.append(peer)
        return peer != STRANGER

    for number in range(40 * _MAX_RECEIPTS):
        history.owe(STRANGER, "received", f"message {number}")
    history.owe(FRIEND, "received", "message")
    outbox = outbox_of(stream, database, history, accepted)
    outbox.on_link_changed(True)
    running = asyncio.create_task(outbox.run())
    async with asyncio.timeout(30):
        while not stream.sent:
            if running.done():
                running.result()
            await asyncio.sleep(0.01)
    running.cancel()
    assert [stanza["to"] for stanza in stream.sent] == [FRIEND]
    assert len(asked) < 3 * _MAX_RECEIPTS
