"""What arrives, one by one and in order: messages, copies of our own, receipts, markers, typing."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp import JID
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.jid import InvalidJID

from kith.client import stanzas
from kith.client.database import Database
from kith.client.encryption import Decrypted, Encryption, Undecryptable
from kith.client.events import (
    Event,
    MessageChanged,
    MessageHealed,
    MessageReceived,
    MessageUnreadable,
    Typing,
)
from kith.client.healing import Healing
from kith.client.history import Draft, History
from kith.client.message import Message, State, Trust
from kith.client.stanzas import Forwarded
from kith.client.stream import Stream
from kith.client.turn import Interrupted, Turn
from kith.terminal import NICKNAME, one_line

_log = logging.getLogger(__name__)
_PAGE = 100
_LOOK_EVERY = 200  # messages that came live
_GO_BACK = timedelta(days=7)
_BEGINNING = datetime.fromtimestamp(0, UTC)
_MOST_ID = 1024
_STATES = ("active", "composing", "paused", "inactive", "gone")


class Incoming:
    """Takes stanzas from the stream, works through them in a task of its own, and catches up by the archive.

    A message, the key step that decrypted it and the archive position are committed together, then
    published: so each is seen once, whatever happens in between.
    """

    __slots__ = (
        *("_accepted", "_broken", "_db", "_encryption", "_healing", "_history", "_live", "_own", "_pages"),
        *("_publish", "_queue", "_stream", "_turn", "_wake", "lag"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        turn: Turn,
        publish: Callable[[Event], None],
        wake: Callable[[], None],
        healing: Healing,
        accepted: Callable[[str], bool],
    ) -> None:
        """``turn`` is for work with keys; ``wake`` is called when answers are owed.

        ``accepted(peer)``: whether the peer may learn that this device is there.
        """
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._turn = turn
        self._publish = publish
        self._wake = wake
        self._healing = healing
        self._accepted = accepted
        self._live = 0
        self._own = str(stream.requested_jid.bare)
        self._queue: asyncio.Queue[Element | Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._pages: dict[str, list[Forwarded]] = {}
        self._broken = False
        self.lag = asyncio.Event()
        """Set when the archive has been read since the last connect."""
        stream.incoming = self._on_stanza

    def _on_stanza(self, stanza: Any) -> None:
        result = stanza.xml.find(f"{{{stanzas.MAM}}}result")
        if result is None:
            self._queue.put_nowait(stanza.xml)
        elif not stanza.xml.get("from") or stanza["from"] == self._own:
            page = self._pages.get(result.get("queryid", ""))
            found = stanzas.forwarded(result, result.get("id"))
            if page is not None and found is not None:
                page.append(found)

    def catch_up(self) -> None:
        """To be called for each new session, before presence: what comes live waits for the archive."""
        self.lag.clear()
        self._broken = False
        self._queue.put_nowait(self._read_archive)

    @property
    def broken(self) -> bool:
        """Whether a message was left to the archive to bring again: a resumed stream must catch up, too."""
        return self._broken

    async def run(self) -> None:
        while True:
            item = await self._queue.get()
            try:
                if not isinstance(item, Element):
                    await item()
                elif not self._broken:
                    await self._receive(item)
            except Interrupted:
                self._broken = True
                self._encryption.unsent.clear()
            finally:
                self._queue.task_done()

    # the archive (XEP-0313)

    async def _read_archive(self) -> None:
        try:
            await self._read_from_archive()
        except IqError:
            pass  # this server keeps no archive
        except IqTimeout:
            raise Interrupted from None
        await self._turn.take(self._encryption.caught_up())
        self._live = 0
        self._commit()
        self.lag.set()

    async def _read_from_archive(self) -> None:
        """Goes on behind the place that the archive itself has told. Raises IqError, IqTimeout."""
        place = self._db.get("place")
        if place is None and (place := self._db.get("archive")) is None:
            # A new device: what is older was not encrypted for it. Only note where we are.
            newest, _ = await self._query(None, None, 1)
            self._db.set("place", (newest[-1].archive or "") if newest else "")
            return
        if place == "":  # the archive was empty then
            await self._read_behind(None, _BEGINNING)
            return
        read = await self._read_behind(place, None)
        if read is None or (read == 0 and await self._is_lost(place)):
            # Our place has expired, or is of somebody who had fooled us: go by time, once. What is known
            # already is recognised.
            newest_time = self._history.newest_time() or datetime.now(UTC)
            await self._read_behind(None, min(newest_time, datetime.now(UTC)) - _GO_BACK)

    async def _read_behind(self, place: str | None, start: datetime | None) -> int | None:
        """Takes all that comes after. How many there were; None: the archive does not know the place."""
        count, complete = 0, False
        while not complete:
            try:
                page, complete = await self._query(place, start, _PAGE)
            except IqError as error:
                if error.condition == "item-not-found" and place is not None:
                    return None
                raise
            start = None
            for found in page:
                await self._take(found.message, found.archive, found.time, live=False)
                if found.archive:
                    place = found.archive
                    self._db.set("place", place)
                    self._db.commit()
            count += len(page)
            complete = complete or not page
        return count

    async def _is_lost(self, place: str) -> bool:
        """Nothing comes after our place. Is it the end, or somewhere that the archive will never reach?"""
        newest, _ = await self._query(None, None, 1)
        return bool(newest) and newest[-1].archive != place

    async def _query(
        self, after: str | None, start: datetime | None, limit: int
    ) -> tuple[list[Forwarded], bool]:
        name = uuid.uuid4().hex
        page: list[Forwarded] = []
        self._pages[name] = page
        try:
            iq: Any = self._stream.make_iq_set(sub=stanzas.mam_query(name, after, start, limit))
            reply = await iq.send(timeout=30)
        finally:
            del self._pages[name]
        fin = reply.xml.find(f"{{{stanzas.MAM}}}fin")
        return page, fin is None or fin.get("complete") == "true"

    # messages

    async def _receive(self, message: Element) -> None:
        copy = stanzas.carbon(message) if self._bare(message.get("from")) == self._own else None
        if copy is not None:
            archive = stanzas.stanza_id(copy.message, self._own)
            await self._take(copy.message, archive, copy.time, live=True)
        else:
            archive = stanzas.stanza_id(message, self._own)
            await self._take(message, archive, self._delayed(message), live=True)
        self._live += archive is not None
        if self._live >= _LOOK_EVERY:
            # What comes live is not believed where it stands in the archive; the archive tells that.
            self._live = 0
            self._queue.put_nowait(self._look)

    async def _look(self) -> None:
        """Moves our place on, so that the next catch-up is short."""
        try:
            await self._read_from_archive()
        except (IqError, IqTimeout):
            return  # later

    def _delayed(self, message: Element) -> datetime | None:
        """The time of writing that our own server has put on what waited for us (XEP-0203).

        Anybody can write a ``<delay/>``. One that bears our server's name is believed if it can be: not
        before what we had read when we went away.
        """
        domain = JID(self._own).domain
        stamp = stanzas.delay(message, {domain, self._own})
        if stamp is None:
            return None
        earliest = float(self._db.get("read-until") or 0)
        return max(stamp, datetime.fromtimestamp(earliest, UTC))

    async def _take(self, message: Element, archive: str | None, time: datetime | None, live: bool) -> None:
        try:
            await self._take_apart(message, archive, time, live)
        except Interrupted:
            raise
        except Exception as error:
            # Whatever a peer may send, it costs no message after it.
            self._db.sql.rollback()
            self._encryption.unsent.clear()
            _log.warning("a message could not be handled and is left out: %r", error)

    def _bare(self, address: str | None) -> str:
        """The account of an address; our own if there is none, and nothing if it is no address.

        The resource is any device's choice, and may have what slixmpp does not take for one (an emoji).
        """
        try:
            return str(JID((address or self._own).partition("/")[0]).bare)
        except InvalidJID:
            return ""

    async def _take_apart(
        self, message: Element, archive: str | None, time: datetime | None, live: bool
    ) -> None:
        kind = message.get("type", "normal")
        sender = self._bare(message.get("from"))
        incoming = sender != self._own
        peer = sender if incoming else self._bare(message.get("to"))
        if kind == "error":
            self._bounced(message, peer)
        elif kind in ("chat", "normal") and peer and peer != self._own:
            await self._chat(message, peer, incoming, archive, time, live)
        elif kind == "chat":
            await self._keys_only(message, sender)
        if not live and time is not None:
            self._db.set("read-until", str(min(time, datetime.now(UTC)).timestamp()))
        self._commit()

    async def _chat(
        self,
        message: Element,
        peer: str,
        incoming: bool,
        archive: str | None,
        time: datetime | None,
        live: bool,
    ) -> None:
        now = datetime.now(UTC)
        time = min(time or now, now)  # nothing is written in the future
        self._marks(message, peer, incoming)
        if live and incoming and stanzas.delay(message) is None:
            state = stanzas.named(message, stanzas.CHAT_STATES, _STATES)
            if state is not None:
                self._publish(Typing(peer, state[0] == "composing"))
        if incoming:
            self._named(message, peer)
        else:
            self._history.note_written(peer)
        resent = stanzas.named(message, stanzas.RESEND, ("resent",))
        origin = stanzas.origin_id(message)
        digest = stanzas.digest(message)
        known = self._history.holds(peer, incoming, origin, archive, digest)
        if known is not None:
            return
        draft = await self._draft(message, peer, incoming, time)
        if draft is None:
            return
        markable = message.find(f"{{{stanzas.MARKERS}}}markable") is not None
        draft = replace(
            draft,
            id=_short(message.get("id") or origin or ""),
            origin=_short(origin) if origin else None,
            archive=archive,
            markable=markable and draft.error is None,
            digest=digest,
        )
        if resent is not None and incoming and draft.error is None:
            healed = self._healed(draft, resent[1])
        else:
            healed = None
        added = self._history.add(healed or draft)
        if added is None:
            return
        self._after(message, added, healed)

    def _after(self, message: Element, added: Message, healed: Draft | None) -> None:
        """A message is new in the history: what is owed for it, and who is told."""
        wanted = message.find(f"{{{stanzas.RECEIPTS}}}request") is not None
        if wanted and added.incoming and not added.error and added.id:
            self._history.owe(added.peer, "received", added.id)
        if not added.incoming:
            self._history.mark_read(added.peer, added)
        self._commit()
        if healed is not None:
            self._publish(MessageHealed(added))
        self._publish(MessageReceived(added))
        if added.error and added.incoming:
            asked = self._history.waits_for(added.peer, added.origin or added.id)
            self._publish(MessageUnreadable(added, asked))
        self._wake()

    def _named(self, message: Element, peer: str) -> None:
        """The name that the peer has chosen (XEP-0172)."""
        nickname = message.findtext(f"{{{stanzas.NICK}}}nick")
        if nickname:
            self._history.note_nickname(peer, one_line(nickname, NICKNAME))

    def _healed(self, draft: Draft, id: str) -> Draft | None:
        """A message that could not be read has come once more: it takes the place of the first one's time.

        None: the first one is not here, or was readable; then it is a message like others.
        """
        self._healing.read(draft.peer, id)
        there = self._history.unreadable(draft.peer, id)
        if there is None:
            return replace(draft, id=_short(id), origin=_short(id)) if id else None
        self._history.remove(there)
        return replace(draft, id=there.id, origin=id, time=there.time)

    async def _draft(self, message: Element, peer: str, incoming: bool, time: datetime) -> Draft | None:
        """What it says, as far as it can be read. None if there is nothing to show."""
        state = State.RECEIVED if incoming else State.SENT
        plain = Draft(peer, "", "", incoming, False, Trust.PLAIN, time, state)
        element = message.find(f"{{{stanzas.OMEMO}}}encrypted")
        if element is None:
            body = message.findtext(f"{{{stanzas.CLIENT}}}body")
            return None if body is None else replace(plain, body=body)
        id = stanzas.origin_id(message) or message.get("id") or ""
        secret = replace(plain, encrypted=True)
        try:
            decrypted = await self._decrypt(element, peer if incoming else self._own)
        except Undecryptable as error:
            sender = peer if incoming else self._own
            if not self._ask_again(error, sender, id, time) and error.device is not None and not error.renew:
                return None  # it was not for this device, which was not there yet
            if error.silent:
                return None
            return replace(secret, trust=Trust.UNDECIDED, error=str(error))
        resend = stanzas.named(message, stanzas.RESEND, ("resend",))
        if resend is not None and incoming and decrypted.body is None:
            await self._healing.asked(peer, decrypted.device, resend[1], decrypted.trust)
        if decrypted.body is None:
            return None
        return replace(secret, body=decrypted.body, trust=decrypted.trust, device=decrypted.device)

    def _ask_again(self, error: Undecryptable, sender: str, id: str, time: datetime) -> bool:
        """Whether it was meant for this device and its sender can be asked for it."""
        if error.device is None:
            return False
        if not error.renew and time.timestamp() < self._encryption.made:
            return False
        if sender == self._own:
            id = ""  # our own devices are not asked for texts, but get a session that works
        if error.silent:
            id = ""
        return self._healing.unreadable(sender, error.device, _short(id), error.renew) or error.renew

    async def _keys_only(self, message: Element, sender: str) -> None:
        """Between our own devices only keys travel, to complete a session."""
        element = message.find(f"{{{stanzas.OMEMO}}}encrypted")
        if element is not None:
            try:
                await self._decrypt(element, sender)
            except Undecryptable as error:
                self._ask_again(error, sender, "", datetime.now(UTC))

    async def _decrypt(self, element: Element, sender: str) -> Decrypted:
        decrypted = await self._turn.take(self._open(element, sender))
        if decrypted.began:
            self._healing.renewed(sender, decrypted.device)
        return decrypted

    async def _open(self, element: Element, sender: str) -> Decrypted:
        try:
            return await self._encryption.decrypt(element, sender)
        except Exception as error:
            # Fetching keys fails when the connection goes; that says nothing about the message.
            if not self._stream.is_connected():
                raise Interrupted from None
            if isinstance(error, Undecryptable):
                raise
            raise Undecryptable("The sender's keys could not be fetched.") from None

    def _commit(self) -> None:
        """Makes all durable, then sends the key transports that belong to it."""
        self._db.commit()
        unsent, self._encryption.unsent = self._encryption.unsent, []
        for peer, element in unsent:
            if not self._accepted(peer):
                continue  # it would tell a stranger that this device is there
            stanza: Any = self._stream.make_message(peer, mtype="chat")
            stanza.append(element)
            stanza.append(Element(f"{{{stanzas.HINTS}}}store"))
            stanza.send()

    def _marks(self, message: Element, peer: str, incoming: bool) -> None:
        """Receipts and markers: the peer's on our messages; our other devices' on the peer's."""
        receipt = stanzas.named(message, stanzas.RECEIPTS, ("received",))
        marker = stanzas.named(message, stanzas.MARKERS, ("displayed", "acknowledged", "received"))
        if incoming:
            if receipt is not None:
                self._raise(peer, receipt[1], State.DELIVERED)
            if marker is not None:
                self._raise(peer, marker[1], State.DELIVERED if marker[0] == "received" else State.READ)
        elif marker is not None and marker[0] != "received":
            read = self._history.incoming(peer, marker[1])
            if read is not None:
                self._history.mark_read(peer, read)
                self._publish(MessageChanged(read))

    def _raise(self, peer: str, id: str, state: State) -> None:
        message = self._history.ours(peer, id)
        if message is None:
            return
        changed = self._history.raise_state(message, state)
        found = [changed] if changed else []
        if state is State.READ:
            found += self._history.read_by_peer(message)
        for one in found:
            self._publish(MessageChanged(one))

    def _bounced(self, message: Element, peer: str) -> None:
        ours = self._history.ours(peer, message.get("id", ""))
        if ours is not None and ours.state in (State.QUEUED, State.SENT):
            failed = self._history.fail(ours, stanzas.error_text(message))
            self._publish(MessageChanged(failed))


def _short(id: str) -> str:
    """Ids are others' choice, and receipts repeat them: what is longer than any honest one is none."""
    return id if len(id) <= _MOST_ID else ""
