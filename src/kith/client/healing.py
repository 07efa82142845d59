"""Asks for undecryptable messages to be sent again, and answers such requests: ``urn:kith:resend:0``.

The receiver starts a new session with the device that sent the message and, in an encrypted message without
text, requests the message by its id. The sender's device encrypts it once more, for that device alone, if it
trusts it. Rates are limited, so that nobody can keep a device busy. docs/web.md describes the protocol.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import Element

from omemo.types import OMEMOException

from kith.client import stanzas
from kith.client.content import Content
from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.errors import ClientError
from kith.client.groups.content import GroupContent
from kith.client.groups.records import GroupRecords
from kith.client.history import History
from kith.client.key_work import Interrupted, KeyWork
from kith.client.message import Message, Trust
from kith.client.rate_limits import RateLimits
from kith.client.stream import Stream

_MAX_ID = 256  # characters
_MAX_WANTED_OF_DEVICE, _MAX_WANTED_OF_ACCOUNT = 100, 1000
_MAX_REQUESTS = 3  # for one message
#: A device that starts a new session may not have been able to read requests of this many seconds before.
_MAYBE_MISSED = 600.0
_JUST_RENEWED = 60.0  # seconds
_GIVE_UP = 7 * 86400.0  # seconds


class Healing:
    """Works in a task of its own, so that no other message waits for it.

    The table ``wanted`` has the messages that this device requests, ``refused`` the requests of devices that
    are not trusted yet.
    """

    __slots__ = (
        *(
            "_accepted",
            "_answers",
            "_content",
            "_db",
            "_encryption",
            "_group_content",
            "_groups",
            "_history",
            "_key_work",
            "_renewals",
            "_renewed",
        ),
        *("_requests", "_resends", "_stream", "_wake"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        key_work: KeyWork,
        accepted: Callable[[str], bool],
        content: Content,
        groups: GroupRecords,
        group_content: GroupContent,
    ) -> None:
        """``accepted(peer)`` tells whether the peer may learn that this device is online."""
        self._content = content
        self._groups = groups
        self._group_content = group_content
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._key_work = key_work
        self._accepted = accepted
        self._wake = asyncio.Event()
        self._requests = RateLimits(30, 60)
        self._renewals = RateLimits(3, 3)
        self._resends = RateLimits(200, 200)
        self._answers: dict[tuple[str, int, str], int] = {}
        self._renewed: dict[tuple[str, int], float] = {}

    def wake(self) -> None:
        """The connection is back, or somebody was accepted or trusted, so what waits may be possible now."""
        self._wake.set()

    # the receiver's side

    def on_unreadable(self, peer: str, device: int, id: str, renew: bool, chat: str = "") -> bool:
        """A message of a device could not be decrypted. Returns whether it will be requested again.

        An empty ``id`` only starts a new session. ``renew``: a new session is needed. ``chat``: the group in
        which it was sent. The caller commits.
        """
        if len(id) > _MAX_ID:
            return False
        (waiting,) = self._db.sql.execute(
            "SELECT count(*) FROM wanted WHERE peer = ? AND device = ?", (peer, device)
        ).fetchone()
        (of_all,) = self._db.sql.execute("SELECT count(*) FROM wanted WHERE peer = ?", (peer,)).fetchone()
        if waiting >= _MAX_WANTED_OF_DEVICE or of_all >= _MAX_WANTED_OF_ACCOUNT:
            return False
        self._db.sql.execute(
            "INSERT INTO wanted (peer, device, id, renew, chat) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (peer, device, id) DO UPDATE SET renew = max(renew, excluded.renew)",
            (peer, device, id, renew, chat),
        )
        self._wake.set()
        return id != ""

    def on_new_session(self, peer: str, device: int) -> None:
        """The device started a new session.

        Requests in the old one, which it may have missed, are repeated.
        """
        again = self._db.sql.execute(
            "UPDATE wanted SET asked = 0 WHERE peer = ? AND device = ? AND asked > ? AND times < ?",
            (peer, device, time.time() - _MAYBE_MISSED, _MAX_REQUESTS),
        )
        if again.rowcount:
            self._wake.set()

    def on_received(self, peer: str, id: str) -> None:
        """A requested message was sent again."""
        self._db.sql.execute("DELETE FROM wanted WHERE peer = ? AND id = ?", (peer, id))

    async def run(self) -> None:
        """Does what waits, whenever it is woken, until it is cancelled."""
        while True:
            outdated = asyncio.create_task(self._encryption.bundle_outdated.wait())
            wake = asyncio.create_task(self._wake.wait())
            try:
                await asyncio.wait((outdated, wake), return_when=asyncio.FIRST_COMPLETED)
            finally:
                outdated.cancel()
                wake.cancel()
            self._wake.clear()
            try:
                if self._encryption.bundle_outdated.is_set():
                    await self._key_work.run(self._encryption.publish())
                    self._db.commit()
                await self._work()
            except Interrupted:
                continue  # the next session wakes it again
            except (ClientError, OMEMOException):
                self._db.rollback()

    async def _work(self) -> None:
        self._db.sql.execute("DELETE FROM wanted WHERE asked BETWEEN 1 AND ?", (time.time() - _GIVE_UP,))
        rows = self._db.sql.execute(
            "SELECT peer, device, id, renew, chat FROM wanted WHERE asked = 0 ORDER BY rowid"
        ).fetchall()
        for peer, device, id, renew, chat in rows:
            if not self._accepted(peer) and not (chat and self._groups.shared(peer)):
                continue  # a request shows that this device is online: once they are accepted
            try:
                await self._request(peer, device, id, bool(renew), chat)
            except (ClientError, OMEMOException):  # the device is gone, distrusted, or without keys
                self._db.rollback()
                self._forget(peer, device, id)
            self._db.commit()
        rows = self._db.sql.execute("SELECT peer, device, id, chat FROM refused").fetchall()
        for peer, device, id, chat in rows:
            await self._answer_late(peer, device, id, chat)

    async def _request(self, peer: str, device: int, id: str, renew: bool, chat: str) -> None:
        now = time.monotonic()
        renew = renew and now - self._renewed.get((peer, device), -_JUST_RENEWED) >= _JUST_RENEWED
        if renew and not self._renewals.allow((peer, device)):
            renew = False
        if not self._requests.allow((peer, device)):
            return  # later
        keys = await self._key_work.run(self._encryption.encrypt_for(peer, device, None, renew))
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
        await self._db.flush()
        group = {"group": chat} if chat else {}
        request = [] if id == "" else [Element(f"{{{stanzas.RESEND}}}resend", group, id=id)]
        self._send(peer, [keys, *request, Element(f"{{{stanzas.HINTS}}}store")])

    def _forget(self, peer: str, device: int, id: str) -> None:
        self._db.sql.execute(
            "DELETE FROM wanted WHERE peer = ? AND device = ? AND id = ?", (peer, device, id)
        )

    # the sender's side

    async def on_request(self, peer: str, device: int, id: str, level: Trust, chat: str = "") -> None:
        """A peer's device requests a message of ours, which it can't read. Raises Interrupted.

        ``level`` is our trust in that device. If it is not trusted, it gets the message once it is. ``chat``:
        the group in which it was sent.
        """
        message = self._requested(peer, id, chat)
        if message is None:
            return
        if not level.sound:
            self._db.sql.execute(
                "INSERT OR IGNORE INTO refused SELECT ?, ?, ?, ?"
                " WHERE (SELECT count(*) FROM refused WHERE peer = ?) < ?",
                (peer, device, id, chat, peer, _MAX_WANTED_OF_DEVICE),
            )
            return
        await self._answer(message, peer, device, id)

    def _requested(self, peer: str, id: str, chat: str) -> Message | None:
        """The message that is requested, if the peer may have it: it was encrypted for them before."""
        message = self._history.mine(chat, id) if chat else self._history.ours(peer, id)
        if message is None or not message.encrypted or message.deleted or not self._text(message):
            return None
        if chat and not self._groups.was_there(chat, peer, self._history.number_of(message)):
            return None  # nobody gets what was said before they came, or after they went
        return message

    def _text(self, message: Message) -> str | None:
        content = self._group_content if message.group else self._content
        return content.plaintext(message)

    async def _answer(self, message: Message, peer: str, device: int, id: str) -> None:
        key = peer, device, id
        times = self._answers.get(key, 0)
        if times >= _MAX_REQUESTS or not self._resends.allow((peer, device)):
            return
        try:
            encrypted, secret = await self._key_work.run(
                self._encryption.encrypt_with_key(peer, device, self._text(message))
            )
        except (ClientError, OMEMOException):
            return  # that device is gone, or has no keys
        if len(self._answers) > 10_000:
            self._answers.clear()
        self._answers[key] = times + 1
        self._db.commit()
        await self._db.flush()
        new = str(uuid.uuid4())
        if message.group:
            self._send(peer, self._group_content.resent(message, encrypted, secret, new, id), new)
            return
        again = Element(f"{{{stanzas.RESEND}}}resent", id=id)
        elements = self._content.elements(replace(message, id=new), encrypted, secret)
        self._send(peer, [*elements, again], new)

    async def _answer_late(self, peer: str, device: int, id: str, chat: str) -> None:
        """Answers the request of a device that was not trusted then, if it is now."""
        level = await self._key_work.run(self._encryption.device_trust(peer, device))
        if level is None or level.sound:
            self._db.sql.execute(
                "DELETE FROM refused WHERE peer = ? AND device = ? AND id = ?", (peer, device, id)
            )
            self._db.commit()
        message = self._requested(peer, id, chat)
        if level is not None and level.sound and message is not None:
            await self._answer(message, peer, device, id)

    def _send(self, peer: str, children: list[Element], id: str | None = None) -> None:
        stanza = self._stream.make_message(peer, mtype="chat")
        stanza["id"] = id or str(uuid.uuid4())
        for child in children:
            stanza.append(child)
        self._stream.send(stanza)
