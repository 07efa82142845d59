"""Gives newcomers what was said before they came, if the group is to show it and we are an admin.

They have no keys of that, so this device encrypts the last messages anew, for each of them alone
(docs/protocol.md, Groups). The group says who is new, lets one device at a time do it, and vouches for who
has written what. What is owed is stored, and goes on with the next session if this one ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from kith.client.database import Database
from kith.client.errors import NotEncrypted
from kith.client.groups import wire
from kith.client.groups.content import GroupContent
from kith.client.groups.records import GroupRecords
from kith.client.groups.sync import GroupSync
from kith.client.groups.values import Change
from kith.client.history import History
from kith.client.key_work import Interrupted, KeyWork
from kith.client.message import Message
from kith.client.stream import Stream

if TYPE_CHECKING:
    from kith.client.groups.encryption import GroupEncryption

_OWED = "history-owed"
#: After how many seconds to look again whether another device has given them the history.
_AGAIN = 90.0


class Newcomers:
    """Works in a task of its own, so that no message waits for it."""

    __slots__ = (
        *("_again", "_content", "_db", "_encryption", "_history", "_key_work", "_records"),
        *("_later", "_stream", "_sync", "_wake"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        records: GroupRecords,
        sync: GroupSync,
        content: GroupContent,
        encryption: GroupEncryption,
        key_work: KeyWork,
        again: float = _AGAIN,
    ) -> None:
        self._stream = stream
        self._db = database
        self._history = history
        self._records = records
        self._sync = sync
        self._content = content
        self._encryption = encryption
        self._key_work = key_work
        self._again = again
        self._later: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()

    def changed(self, group: str, change: Change) -> None:
        """A group has changed: perhaps somebody has come in. The caller commits."""
        came = any(one.now.belongs and not one.invited and not one.was.belongs for one in change.members)
        found = self._records.find(group) if came or change.settings else None
        if found is not None and found.affiliation.manages:
            self._set_owed(self._owed() | {group})
            self._wake.set()

    def wake(self) -> None:
        """There is a session, so what is owed may be possible now."""
        self._wake.set()

    def _owed(self) -> set[str]:
        return set(json.loads(self._db.get(_OWED) or "[]"))

    def _set_owed(self, groups: set[str]) -> None:
        self._db.set(_OWED, json.dumps(sorted(groups)))

    async def run(self) -> None:
        """Gives what is owed, whenever it is woken, until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for group in sorted(self._owed()):
                with suppress(IqTimeout, Interrupted):  # the next session goes on
                    if await self._give_all(group):
                        self._set_owed(self._owed() - {group})
                        self._db.commit()

    async def _give_all(self, group: str) -> bool:
        """Gives all newcomers of a group what they miss. Returns whether nothing is owed any more.

        Raises IqTimeout, Interrupted.
        """
        if not self._stream.is_connected():
            return False
        try:
            answer = await self._sync.request("get", group, Element(wire.tag("newcomers")))
        except IqError:
            return True  # we are no admin any more, or nobody gets history
        complete = True
        for newcomer in answer.iter(wire.tag("newcomer")):
            complete = await self._give(group, newcomer.get("jid", "")) and complete
        if not complete:
            if self._later is not None:
                self._later.cancel()  # or each time that this is woken would begin another series of times
            self._later = asyncio.get_running_loop().call_later(self._again, self._wake.set)
        return complete

    async def _give(self, group: str, newcomer: str) -> bool:
        """Gives a newcomer what they miss, unless another device is at it. Raises IqTimeout, Interrupted."""
        try:
            found = await self._sync.request("set", group, _history(newcomer))
        except IqError as error:
            return str(error.condition) != "conflict"
        reserved = found.find(wire.tag("history"))
        if reserved is None:
            return True
        given = {one.get("id", "") for one in reserved.iterfind(wire.tag("given"))}
        most, before = wire.number(reserved.get("most")), reserved.get("before", "")
        missing = [
            (id, message) for id, message in self._history.said_before(group, before, most) if id not in given
        ]
        try:
            await self._send(group, newcomer, missing)
        except NotEncrypted:
            return False  # they have no keys yet, or some that we don't trust
        with suppress(IqError):
            await self._sync.request("set", group, _history(newcomer, done="true"))
        return True

    async def _send(self, group: str, newcomer: str, messages: Sequence[tuple[str, Message]]) -> None:
        for id, message in messages:
            text = self._content.plaintext(message)
            if not text:
                continue
            encrypted, key = await self._key_work.run(self._encryption.encrypt(group, [newcomer], text))
            self._db.commit()
            await self._db.flush()
            stanza = self._stream.make_message(group, mtype="normal")
            for child in self._content.given(message, encrypted, key, _history(newcomer, id=id)):
                stanza.append(child)
            self._stream.send(stanza)


def _history(newcomer: str, **attributes: str) -> Element:
    return Element(wire.tag("history"), {"jid": newcomer, **attributes})
