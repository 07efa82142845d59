"""What can't be read is asked for again: the ``urn:kith:resend:0`` protocol, both sides (docs/web.md).

The receiver makes a new session with the device that sent it and asks, by an encrypted message without
text, for the message under its id. The sender's device encrypts it once more, for that device alone, if it
trusts the device. How often is bounded, so that nobody can be kept busy.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from xml.etree.ElementTree import Element

from omemo.types import OMEMOException

from kith.client import stanzas
from kith.client.budget import Budgets
from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.errors import ClientError
from kith.client.history import History
from kith.client.message import Message, Trust
from kith.client.stream import Stream
from kith.client.turn import Interrupted, Turn

_MOST_ID = 256
_MOST_WANTED, _MOST_WANTED_OF_ONE = 100, 1000  # of a device, of an account
_MOST_TIMES = 3  # for one message
_LATELY = 600.0  # seconds in which a device that made a new session may not have understood the question
_JUST_RENEWED = 60.0


class Healing:
    """Works in a task of its own, so that nothing of it holds up the next message."""

    __slots__ = (
        *("_accepted", "_answers", "_asks", "_db", "_encryption", "_history", "_renewals", "_renewed"),
        *("_resends", "_stream", "_turn", "_wake"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        turn: Turn,
        accepted: Callable[[str], bool],
    ) -> None:
        """``accepted(peer)``: whether the peer may learn that this device is there."""
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._turn = turn
        self._accepted = accepted
        self._wake = asyncio.Event()
        self._asks = Budgets(30, 60)
        self._renewals = Budgets(3, 3)
        self._resends = Budgets(200, 200)
        self._answers: dict[tuple[str, int, str], int] = {}
        self._renewed: dict[tuple[str, int], float] = {}

    def wake(self) -> None:
        """The connection is back, or somebody was accepted or trusted: what waits may be done now."""
        self._wake.set()

    # the receiver's side

    def unreadable(self, peer: str, device: int, id: str, renew: bool) -> bool:
        """A message could not be read. Whether its sender will be asked. The caller commits."""
        if len(id) > _MOST_ID:
            return False
        (waiting,) = self._db.sql.execute(
            "SELECT count(*) FROM wanted WHERE peer = ? AND device = ?", (peer, device)
        ).fetchone()
        (of_all,) = self._db.sql.execute("SELECT count(*) FROM wanted WHERE peer = ?", (peer,)).fetchone()
        if waiting >= _MOST_WANTED or of_all >= _MOST_WANTED_OF_ONE:
            return False
        self._db.sql.execute(
            "INSERT INTO wanted (peer, device, id, renew) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (peer, device, id) DO UPDATE SET renew = max(renew, ?4)",
            (peer, device, id, renew),
        )
        self._wake.set()
        return id != ""

    def renewed(self, peer: str, device: int) -> None:
        """The device has made a new session: what it was asked by the old one, it may not have understood."""
        again = self._db.sql.execute(
            "UPDATE wanted SET asked = 0 WHERE peer = ? AND device = ? AND asked > ? AND times < ?",
            (peer, device, time.time() - _LATELY, _MOST_TIMES),
        )
        if again.rowcount:
            self._wake.set()

    def read(self, peer: str, id: str) -> None:
        """It is here now."""
        self._db.sql.execute("DELETE FROM wanted WHERE peer = ? AND id = ?", (peer, id))

    async def run(self) -> None:
        while True:
            stale = asyncio.create_task(self._encryption.stale.wait())
            wake = asyncio.create_task(self._wake.wait())
            try:
                await asyncio.wait((stale, wake), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stale.cancel()
                wake.cancel()
            self._wake.clear()
            try:
                if self._encryption.stale.is_set():
                    await self._turn.take(self._encryption.publish())
                    self._db.commit()
                await self._mend()
            except Interrupted:
                continue  # the next session wakes it again
            except (ClientError, OMEMOException):
                self._db.sql.rollback()

    async def _mend(self) -> None:
        self._db.sql.execute("DELETE FROM wanted WHERE asked BETWEEN 1 AND ?", (time.time() - 7 * 86400,))
        rows = self._db.sql.execute(
            "SELECT peer, device, id, renew FROM wanted WHERE asked = 0 ORDER BY rowid"
        ).fetchall()
        for peer, device, id, renew in rows:
            if not self._accepted(peer):
                continue  # asking says that this device is there: when they are accepted
            try:
                await self._ask(peer, device, id, bool(renew))
            except (ClientError, OMEMOException):  # the device is gone, distrusted, or without keys
                self._db.sql.rollback()
                self._forget(peer, device, id)
            self._db.commit()
        for peer, device, id in self._db.sql.execute("SELECT peer, device, id FROM refused").fetchall():
            await self._give_late(peer, device, id)

    async def _ask(self, peer: str, device: int, id: str, renew: bool) -> None:
        now = time.monotonic()
        renew = renew and now - self._renewed.get((peer, device), -_JUST_RENEWED) >= _JUST_RENEWED
        if renew and not self._renewals.spend((peer, device)):
            renew = False
        if not self._asks.spend((peer, device)):
            return  # later
        keys = await self._turn.take(self._encryption.encrypt_for(peer, device, None, renew))
        if renew:
            self._renewed[peer, device] = now
        if id == "":
            self._forget(peer, device, id)
        else:
            self._db.sql.execute(
                "UPDATE wanted SET asked = ?, times = times + 1, renew = 0"
                " WHERE peer = ? AND device = ? AND id = ?",
                (time.time(), peer, device, id),
            )
        self._db.commit()
        asked = [] if id == "" else [Element(f"{{{stanzas.RESEND}}}resend", id=id)]
        self._send(peer, [keys, *asked, Element(f"{{{stanzas.HINTS}}}store")])

    def _forget(self, peer: str, device: int, id: str) -> None:
        self._db.sql.execute(
            "DELETE FROM wanted WHERE peer = ? AND device = ? AND id = ?", (peer, device, id)
        )

    # the sender's side

    async def asked(self, peer: str, device: int, id: str, level: Trust) -> None:
        """A peer's device can't read a message of ours. Raises Interrupted."""
        message = self._history.ours(peer, id)
        if message is None or not message.encrypted or not message.body:
            return
        if not level.sound:
            self._db.sql.execute(
                "INSERT OR IGNORE INTO refused SELECT ?1, ?2, ?3"
                " WHERE (SELECT count(*) FROM refused WHERE peer = ?1) < ?4",
                (peer, device, id, _MOST_WANTED),
            )
            return
        await self._give(message, device, id)

    async def _give(self, message: Message, device: int, id: str) -> None:
        key = message.peer, device, id
        times = self._answers.get(key, 0)
        if times >= _MOST_TIMES or not self._resends.spend((message.peer, device)):
            return
        try:
            encrypted = await self._turn.take(
                self._encryption.encrypt_for(message.peer, device, message.body)
            )
        except (ClientError, OMEMOException):
            return  # that device is gone, or has no keys
        if len(self._answers) > 10_000:
            self._answers.clear()
        self._answers[key] = times + 1
        self._db.commit()
        new = str(uuid.uuid4())
        again = Element(f"{{{stanzas.RESEND}}}resent", id=id)
        self._send(message.peer, [*stanzas.text_message(new, message.body, encrypted), again], new)

    async def _give_late(self, peer: str, device: int, id: str) -> None:
        """What was kept from a device that was not trusted, it gets once it is."""
        level = await self._turn.take(self._encryption.device_trust(peer, device))
        if level is None or level.sound:
            self._db.sql.execute(
                "DELETE FROM refused WHERE peer = ? AND device = ? AND id = ?", (peer, device, id)
            )
            self._db.commit()
        message = self._history.ours(peer, id)
        if level is not None and level.sound and message is not None:
            await self._give(message, device, id)

    def _send(self, peer: str, children: list[Element], id: str | None = None) -> None:
        stanza = self._stream.make_message(peer, mtype="chat")
        stanza["id"] = id or str(uuid.uuid4())
        for child in children:
            stanza.append(child)
        self._stream.send(stanza)
