"""Says how far this device has received and read the messages of groups, and hears it of others.

A device says it at most once every few seconds, and the group sums it up (docs/protocol.md, Groups).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from xml.etree.ElementTree import Element

from kith.client.database import Database
from kith.client.events import Event, MessageChanged
from kith.client.groups import wire
from kith.client.groups.records import GroupRecords
from kith.client.groups.values import Receipts
from kith.client.history import History
from kith.client.message import Message, State
from kith.client.stream import Stream

#: Seconds between two marks of this device.
EVERY = 3.0


class GroupReceipts:
    """Sends marks, and takes what groups say of our messages."""

    __slots__ = ("_db", "_due", "_every", "_history", "_records", "_stream", "_wake")

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        records: GroupRecords,
        every: float = EVERY,
    ) -> None:
        self._stream = stream
        self._db = database
        self._history = history
        self._records = records
        self._every = every
        self._wake = asyncio.Event()
        self._due: set[str] = set()

    def owe(self, group: str) -> None:
        """Something new of a group has arrived or was read."""
        self._due.add(group)
        self._wake.set()

    def resume(self) -> None:
        """The connection is back: says what could not be said before."""
        self._due |= self._records.listed()
        self._wake.set()

    async def run(self) -> None:
        """Sends what is owed, until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, set()
            for group in due:
                self._tell(group)
            await asyncio.sleep(self._every)

    def _tell(self, group: str) -> None:
        delivered, read = self._history.places_read(group)
        row = self._db.sql.execute("SELECT told FROM groups WHERE jid = ?", (group,)).fetchone()
        mark = f"{delivered} {read}"
        if row is None or row[0] == mark or not delivered or not self._stream.is_connected():
            return
        stanza = self._stream.make_message(group, mtype="groupchat")
        marks = {"delivered": delivered} | ({"read": read} if read else {})
        stanza.append(Element(wire.tag("marks"), marks))
        self._stream.send(stanza)
        self._db.sql.execute("UPDATE groups SET told = ? WHERE jid = ?", (mark, group))
        self._db.commit()

    # what groups say

    def take(self, message: Element, group: str, publish: Callable[[Event], None]) -> None:
        """A group says how many members have messages of ours. The caller commits."""
        for found in message.iterfind(f"{wire.tag('receipts')}/{wire.tag('message')}"):
            ours = self._history.by_group_id(group, found.get("id", ""))
            if ours is not None and not ours.incoming:
                numbers = (wire.number(found.get(name)) for name in ("delivered", "read", "of"))
                publish(MessageChanged(self._note(ours, Receipts(*numbers))))

    def _note(self, message: Message, receipts: Receipts) -> Message:
        noted = self._history.set_receipts(message, receipts)
        found = noted.receipts or receipts
        state = None
        if found.of and found.read >= found.of:
            state = State.READ
        elif found.of and found.delivered >= found.of:
            state = State.DELIVERED
        changed = None if state is None else self._history.raise_state(noted, state)
        return changed or noted
