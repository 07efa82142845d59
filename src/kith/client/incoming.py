"""Handles what arrives, one stanza after the other: messages, carbons, chat states."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from slixmpp import JID
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.jid import InvalidJID

from kith.client import stanzas
from kith.client.catchup import CatchUp
from kith.client.database import Database
from kith.client.decrypted import Decrypted
from kith.client.events import (
    Event,
    MessageChanged,
    MessageHealed,
    MessageReceived,
    MessageUnreadable,
    Typing,
)
from kith.client.extra import Upload
from kith.client.history import History
from kith.client.key_work import Interrupted, KeyWork
from kith.client.markers import Markers
from kith.client.message import Kind, Message
from kith.client.reader import Reader, bounded
from kith.client.stanzas import Forwarded
from kith.client.stream import Stream
from kith.client.undo import Undo
from kith.terminal import NICKNAME, one_line

if TYPE_CHECKING:  # the libraries behind these take long to import
    from kith.client.calls.calls import Calls
    from kith.client.encryption import Encryption
    from kith.client.groups.incoming import GroupIncoming
    from kith.client.healing import Healing
    from kith.client.status.sync import StatusSync

_log = logging.getLogger(__name__)
_LIVE_BEFORE_CATCH_UP = 200  # live messages after which the place in the archive is moved on
#: Live messages that wait while the archive is read. Beyond them, the archive is read again for the others.
_MAX_QUEUED = 1000


class Incoming:
    """A queue of stanzas with one worker, which also reads the archive after each connect.

    A message, the ratchet step that decrypted it and the place in the archive are committed together, and
    published afterwards. So whatever happens in between, each message is seen once.
    """

    __slots__ = (
        *(
            "_accepted",
            "_broken",
            "_calls",
            "_catch_up",
            "_db",
            "_encryption",
            "_groups",
            "_has_archive",
            "_history",
        ),
        *(
            "_key_work",
            "_left_out",
            "_live",
            "_markers",
            "_own",
            "_publish",
            "_queue",
            "_reader",
            "_reading",
            "_statuses",
            "_stream",
            "_to_publish",
        ),
        *("_wake_outbox", "caught_up"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        key_work: KeyWork,
        catch_up: CatchUp,
        publish: Callable[[Event], None],
        wake_outbox: Callable[[], None],
        healing: Healing,
        accepted: Callable[[str], bool],
        groups: GroupIncoming,
        undo: Undo,
        on_upload: Callable[[Upload, str, Decrypted], None],
        calls: Calls,
        statuses: StatusSync,
    ) -> None:
        """``wake_outbox`` is called when a receipt has to be sent.

        ``accepted(peer)`` tells whether the peer may learn that this device is online.
        """
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._key_work = key_work
        self._catch_up = catch_up
        self._publish = publish
        self._wake_outbox = wake_outbox
        self._accepted = accepted
        self._reader = Reader(stream, history, encryption, key_work, healing)
        self._reader.on_upload = on_upload
        self._reader.on_heard = self._note_heard
        self._markers = Markers(history, undo, self._publish_later)
        self._groups = groups
        groups.connect(self._reader, self._publish_later)
        self._calls = calls
        self._statuses = statuses
        statuses.connect(self._reader)
        self._live = 0
        self._own = str(stream.requested_jid.bare)
        self._queue: asyncio.Queue[Element | Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._broken = False
        self._has_archive = True
        self._reading = self._left_out = False
        """Whether the archive is being read, and whether live messages were left out for that."""
        self._to_publish: list[Event] = []
        """Events of the message that is being handled, to be published once it is committed."""
        self.caught_up = asyncio.Event()
        """Set when the archive has been read since the last connect."""
        stream.on_message = self._on_message

    def _on_message(self, stanza: Any) -> None:
        if self._catch_up.collect(stanza):
            return
        if self._reading and self._queue.qsize() >= _MAX_QUEUED:
            self._left_out = True  # who was away for long gets everything twice: live, and from the archive
            return
        self._queue.put_nowait(stanza.xml)

    def catch_up(self) -> None:
        """Queues reading the archive. Call it for each new session, before presence is sent."""
        self.caught_up.clear()
        self._broken = False
        self._queue.put_nowait(self._read_archive)
        if self._statuses.supported:
            self._queue.put_nowait(self._statuses.read)

    @property
    def broken(self) -> bool:
        """Whether a message was dropped for the archive to deliver, so that `catch_up` has to be called."""
        return self._broken

    async def run(self) -> None:
        """Works through the queue until it is cancelled."""
        while True:
            item = await self._queue.get()
            try:
                if not isinstance(item, Element):
                    await item()
                elif not self._broken:
                    await self._receive(item)
            except Interrupted:
                self._broken = True
                self._to_publish.clear()
                self._encryption.take_key_transports()
                if self._stream.is_connected():
                    self.catch_up()  # the next connection is there already, and has looked for this before
            finally:
                self._queue.task_done()

    # the archive

    async def _read_archive(self) -> None:
        attempt = self._stream.attempt
        try:
            await self._read_everything()
        except IqError:
            pass  # this server keeps no archive
        except IqTimeout:
            if attempt == self._stream.attempt:
                self._stream.abort()  # only the next connection reads the archive again
            raise Interrupted from None
        await self._key_work.run(self._encryption.caught_up())
        self._live = 0
        self._db.commit()
        await self._send_key_transports()
        self.caught_up.set()

    async def _read_everything(self) -> None:
        """Reads the archive to its end, again if live messages were left out meanwhile.

        They are left out only if the archive has answered before. Raises IqError, IqTimeout, Interrupted.
        """
        self._left_out, attempt = True, self._stream.attempt
        self._reading = self._has_archive and self._catch_up.has_place
        try:
            while self._left_out:
                self._left_out = False
                await self._catch_up.run(self._take_archived)
        except (IqError, IqTimeout) as error:
            self._has_archive = not isinstance(error, IqError)
            if self._left_out:
                if attempt == self._stream.attempt:
                    self._stream.abort()  # the next connection reads them
                raise Interrupted from None
            raise
        finally:
            self._reading = False

    async def _move_on(self) -> None:
        """Moves our place in the archive on, so that the next catch-up is short."""
        try:
            await self._read_everything()
        except (IqError, IqTimeout):
            return  # the next time will do

    async def _take_archived(self, found: Forwarded) -> None:
        await self._take(found.message, found.archive, found.time, live=False)
        await self._send_key_transports()

    # live messages

    async def _receive(self, message: Element) -> None:
        copy = stanzas.carbon(message) if self._bare(message.get("from")) == self._own else None
        if copy is not None:
            archive = stanzas.stanza_id(copy.message, self._own)
            await self._take(copy.message, archive, copy.time, live=True)
        else:
            archive = stanzas.stanza_id(message, self._own)
            await self._take(message, archive, self._delayed(message), live=True)
        await self._send_key_transports()
        self._live += archive is not None
        if self._live >= _LIVE_BEFORE_CATCH_UP:
            # Archive ids of live messages are not believed; the archive itself tells our place.
            self._live = 0
            self._queue.put_nowait(self._move_on)

    def _delayed(self, message: Element) -> datetime | None:
        """The time of sending that our own server put on a message that waited for us (XEP-0203).

        Anybody can write a ``<delay/>``. One in our server's name is believed unless it lies before what we
        had read when we went offline.
        """
        domain = JID(self._own).domain
        stamp = stanzas.delay(message, {domain, self._own})
        if stamp is None:
            return None
        earliest = float(self._db.get("read-until") or 0)
        return max(stamp, datetime.fromtimestamp(earliest, UTC))

    def _bare(self, address: str | None) -> str:
        """The bare address; our own if there is none, and empty if it is malformed.

        The resource is ignored: a device may choose one that slixmpp does not accept (an emoji).
        """
        try:
            return str(JID((address or self._own).partition("/")[0]).bare)
        except InvalidJID:
            return ""

    # any message

    async def _take(self, message: Element, archive: str | None, time: datetime | None, live: bool) -> None:
        """Handles one message, and never fails because of its content. Raises Interrupted."""
        try:
            await self._dispatch(message, archive, time, live)
        except Interrupted:
            raise
        except Exception as error:
            # Whatever a peer sends, the messages after it must not be lost.
            self._db.rollback()
            self._encryption.take_key_transports()
            self._to_publish.clear()
            self._note_place(archive, live)
            self._db.commit()
            _log.warning("a message could not be handled and is left out: %r", error)

    async def _dispatch(
        self, message: Element, archive: str | None, time: datetime | None, live: bool
    ) -> None:
        kind = message.get("type", "normal")
        sender = self._bare(message.get("from"))
        incoming = sender != self._own
        peer = sender if incoming else self._bare(message.get("to"))
        if live and self._statuses.concerns(message, sender):
            await self._statuses.take_live(message)
        elif self._groups.is_of_group(sender):
            await self._groups.take(message, archive, time, live)
        elif kind == "error":
            self._markers.handle_error(message, peer)
            self._calls.failed(message, peer)
        elif kind in ("chat", "normal") and peer and peer != self._own:
            await self._chat(message, peer, incoming, archive, time, live)
        elif kind == "chat":
            await self._reader.read_keys(message, sender)
        if kind in ("chat", "normal"):
            self._calls.take(message, peer, incoming, min(time or datetime.now(UTC), datetime.now(UTC)))
        if not live and time is not None:
            self._db.set("read-until", str(min(time, datetime.now(UTC)).timestamp()))
        self._note_place(archive, live)
        self._db.commit()
        events, self._to_publish = self._to_publish, []
        for event in events:
            self._publish(event)

    def _note_place(self, archive: str | None, live: bool) -> None:
        """Moves our place in the archive on, in the same commit as what was read there."""
        if not live and archive is not None:
            self._catch_up.note_place(archive)

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
        time = min(time or now, now)  # no message is from the future
        self._markers.handle(message, peer, incoming)
        if live and incoming and stanzas.delay(message) is None:
            active = stanzas.is_typing(message)
            if active is not None:
                self._publish(Typing(peer, active))
        if incoming:
            self._note_nickname(message, peer)
        else:
            self._history.note_written(peer)
        if not stanzas.has_content(message):
            return  # a receipt, a marker or a chat state
        resent = stanzas.named(message, stanzas.RESEND, ("resent",))
        if (group := stanzas.resent_group(message)) is not None:
            if resent is not None and incoming:
                await self._heal_group(message, peer, group, resent[1], time)
            if resent is not None or not incoming:
                return
        origin = stanzas.origin_id(message)
        digest = stanzas.digest(message)
        if self._history.holds(peer, incoming, origin, archive, digest) is not None:
            return
        draft = await self._reader.read(message, peer, incoming, time)
        if draft is None:
            return
        markable = message.find(f"{{{stanzas.MARKERS}}}markable") is not None
        draft = replace(
            draft,
            id=bounded(message.get("id") or origin or ""),
            origin=bounded(origin) if origin else None,
            archive=archive,
            markable=markable and draft.error is None,
            digest=digest,
        )
        healed = None
        if resent is not None and incoming and draft.error is None:
            healed = self._reader.healed(draft, resent[1])
        added = self._history.add(healed or draft)
        if added is not None:
            self._announce(message, added, was_healed=healed is not None)

    async def _heal_group(self, message: Element, peer: str, group: str, id: str, time: datetime) -> None:
        """A member's device has sent a message of a group again, which this device could not read."""
        if not self._groups.is_of_group(group):
            return
        draft = await self._reader.read(message, group, True, time, peer)
        if draft is None or draft.error is not None:
            return
        self._reader.note_received(peer, id)
        self._groups.heal(replace(draft, digest=stanzas.digest(message)), id)

    def _announce(self, message: Element, added: Message, was_healed: bool) -> None:
        """A message is new in the history: owes its receipt, and prepares the events."""
        wanted = message.find(f"{{{stanzas.RECEIPTS}}}request") is not None
        if wanted and added.incoming and not added.error and added.id:
            self._history.owe(added.peer, "received", added.id)
        self._wake_outbox()
        if added.kind is not Kind.TEXT:
            event = self._reader.references.apply(added)
            if event is not None:
                self._to_publish.append(event)
            return
        if not added.incoming:
            self._history.mark_read(added.peer, added)
        if was_healed:
            self._to_publish.append(MessageHealed(added))
        self._to_publish.append(MessageReceived(added))
        if added.error and added.incoming:
            asked = self._history.is_requested_again(added.peer, added.origin or added.id)
            self._to_publish.append(MessageUnreadable(added, asked))

    def _note_heard(self, id: str, chat: str, incoming: bool) -> None:
        """A peer has listened to a voice message of ours, or another device of ours to one of any author."""
        for message in self._history.with_origin(id):
            if message.peer == chat and not (incoming and message.incoming):
                changed = self._history.set_heard(message)
                if changed is not None:
                    self._publish_later(MessageChanged(changed))

    def _publish_later(self, event: Event) -> None:
        self._to_publish.append(event)

    def _note_nickname(self, message: Element, peer: str) -> None:
        nickname = message.findtext(f"{{{stanzas.NICK}}}nick")
        if nickname:
            self._history.note_nickname(peer, one_line(nickname, NICKNAME))

    async def _send_key_transports(self) -> None:
        """Sends the key transports that belong to what was committed."""
        transports = self._encryption.take_key_transports()
        if transports:
            await self._db.flush()
        for peer, element in transports:
            if not self._accepted(peer):
                continue  # it would tell a stranger that this device is online
            stanza: Any = self._stream.make_message(peer, mtype="chat")
            stanza.append(element)
            stanza.append(Element(f"{{{stanzas.HINTS}}}store"))
            stanza.send()
