"""What arrives, one by one and in order: messages, copies of our own, receipts, markers, typing."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp import JID
from slixmpp.exceptions import IqError, IqTimeout

from kith.client import stanzas
from kith.client.database import Database
from kith.client.encryption import Decrypted, Encryption, Undecryptable
from kith.client.events import Event, MessageChanged, MessageReceived, Typing
from kith.client.history import Draft, History
from kith.client.message import State, Trust
from kith.client.stanzas import Forwarded
from kith.client.stream import Stream
from kith.client.turn import Interrupted, Turn

_PAGE = 100
_STATES = ("active", "composing", "paused", "inactive", "gone")


class Incoming:
    """Takes stanzas from the stream, works through them in a task of its own, and catches up by the archive.

    A message, the key step that decrypted it and the archive position are committed together, then
    published: so each is seen once, whatever happens in between.
    """

    __slots__ = (
        *("_broken", "_db", "_encryption", "_history", "_own", "_pages", "_publish", "_queue"),
        *("_stream", "_turn", "_wake", "lag"),
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
    ) -> None:
        """``turn`` is for work with keys; ``wake`` is called when answers are owed."""
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._turn = turn
        self._publish = publish
        self._wake = wake
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
        last = self._db.get("archive")
        start: datetime | None = None
        try:
            if last is None:
                # A new device: what is older was not encrypted for it. Only note where we are.
                page, _ = await self._query(None, None, 1)
                if page and page[-1].archive:
                    self._db.set("archive", page[-1].archive)
            else:
                complete = False
                while not complete:
                    try:
                        page, complete = await self._query(last, start, _PAGE)
                    except IqError as error:
                        if error.condition != "item-not-found" or start is not None:
                            raise
                        # Our position has expired from the archive: go by time, once.
                        start = (self._history.newest_time() or datetime.now(UTC)) - timedelta(minutes=5)
                        last = None
                        continue
                    start = None
                    for found in page:
                        await self._take(found.message, found.archive, found.time, live=False)
                        last = found.archive or last
                    complete = complete or not page
        except IqError:
            pass  # this server keeps no archive
        except IqTimeout:
            raise Interrupted from None
        await self._turn.take(self._encryption.caught_up())
        self._commit()
        self.lag.set()

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
        sender = JID(message.get("from") or self._own)
        if sender.bare == self._own:
            copy = stanzas.carbon(message)
            if copy is not None:
                archive = stanzas.stanza_id(copy.message, self._own)
                await self._take(copy.message, archive, copy.time, live=True)
                return
        await self._take(message, stanzas.stanza_id(message, self._own), stanzas.delay(message), live=True)

    async def _take(self, message: Element, archive: str | None, time: datetime | None, live: bool) -> None:
        kind = message.get("type", "normal")
        sender = JID(message.get("from") or self._own)
        incoming = sender.bare != self._own
        peer = sender.bare if incoming else JID(message.get("to") or self._own).bare
        if kind == "error":
            self._bounced(message, peer)
        elif kind in ("chat", "normal") and peer and peer != self._own:
            await self._chat(message, peer, incoming, archive, time, live)
        elif kind == "chat":
            await self._keys_only(message, sender.bare)
        if archive is not None:
            self._db.set("archive", archive)
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
        self._marks(message, peer, incoming)
        if live and incoming and time is None:
            state = stanzas.named(message, stanzas.CHAT_STATES, _STATES)
            if state is not None:
                self._publish(Typing(peer, state[0] == "composing"))
        origin = stanzas.origin_id(message)
        if self._history.holds(peer, incoming, origin, archive):
            return
        draft = await self._draft(message, peer, incoming)
        if draft is None:
            return
        body, encrypted, trust, error = draft
        readable = error is None
        markable = message.find(f"{{{stanzas.MARKERS}}}markable") is not None
        added = self._history.add(
            Draft(
                peer,
                message.get("id") or origin or "",
                body,
                incoming,
                encrypted,
                trust,
                time or datetime.now(UTC),
                State.RECEIVED if incoming else State.SENT,
                origin=origin,
                archive=archive,
                markable=markable and readable,
                error=error,
            )
        )
        if added is None:
            return
        if incoming and readable and message.find(f"{{{stanzas.RECEIPTS}}}request") is not None and added.id:
            self._history.owe(peer, "received", added.id)
        if not incoming:
            self._history.mark_read(peer, added)
        self._commit()
        self._publish(MessageReceived(added))
        self._wake()

    async def _draft(
        self, message: Element, peer: str, incoming: bool
    ) -> tuple[str, bool, Trust, str | None] | None:
        """(body, encrypted, trust, error), or None if there is nothing to show."""
        element = message.find(f"{{{stanzas.OMEMO}}}encrypted")
        if element is None:
            body = message.findtext(f"{{{stanzas.CLIENT}}}body")
            return None if body is None else (body, False, Trust.PLAIN, None)
        try:
            decrypted = await self._decrypt(element, peer if incoming else self._own)
        except Undecryptable as error:
            return None if error.silent else ("", True, Trust.UNDECIDED, str(error))
        return None if decrypted.body is None else (decrypted.body, True, decrypted.trust, None)

    async def _keys_only(self, message: Element, sender: str) -> None:
        """Between our own devices only keys travel, to complete a session."""
        element = message.find(f"{{{stanzas.OMEMO}}}encrypted")
        if element is not None:
            try:
                await self._decrypt(element, sender)
            except Undecryptable:
                return

    async def _decrypt(self, element: Element, sender: str) -> Decrypted:
        return await self._turn.take(self._open(element, sender))

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
