"""Sends queued messages and receipts: in order, encrypted once, and again until they are acknowledged."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar
from xml.etree.ElementTree import Element

from omemo.types import OMEMOException
from slixmpp.exceptions import IqError, IqTimeout

from kith.client import stanzas
from kith.client.content import Content
from kith.client.database import Database
from kith.client.errors import ClientError, NotEncrypted, NotOpen, NotSendable
from kith.client.events import Event, MessageChanged
from kith.client.history import History
from kith.client.in_flight import Flight, InFlight
from kith.client.key_work import Interrupted, KeyWork
from kith.client.message import Kind, Message, State
from kith.client.stream import Stream
from kith.client.undo import Undo

if TYPE_CHECKING:  # the libraries behind these take long to import
    from kith.client.encryption import Encryption
    from kith.client.groups.sending import GroupSending

_log = logging.getLogger(__name__)
_BATCH = 16
#: How many receipts and markers may be on their way at once: after a long absence there are very many.
_MAX_RECEIPTS = 256
#: Sorts after the kinds of receipts and markers, to go on with the next peer.
_AFTER_ALL = "~"
_T = TypeVar("_T")


class Files(Protocol):
    """What the outbox needs of those who upload files."""

    def must_wait(self, message: Message) -> bool:
        """Whether the file of a message, or of one before it in its chat, is not uploaded yet."""

    def wake(self) -> None:
        """A message is deleted for good, so that its file is not needed any more."""


class Outbox:
    """The queued messages of the history, and the receipts and markers that are owed to peers.

    A message leaves the queue when the server has acknowledged it (`InFlight`). After a lost session,
    messages that were in flight go out again as the same stanzas, so that the server drops those it has.
    """

    __slots__ = (
        *("_accepted", "_commit_handle", "_content_of", "_db", "_encryption", "_groups", "_history"),
        *(
            "_in_flight",
            "_key_work",
            "_files",
            "_online",
            "_publish",
            "_session",
            "_stream",
            "_tried_up_to",
            "_undo",
        ),
        *("_waiting", "_wake"),
    )

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        key_work: KeyWork,
        publish: Callable[[Event], None],
        accepted: Callable[[str], bool],
        content: Content,
        groups: GroupSending,
        undo: Undo,
        files: Files,
    ) -> None:
        """``accepted(peer)`` tells whether the peer may hear that something was received or read."""
        self._files = files
        self._groups = groups
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._key_work = key_work
        self._publish = publish
        self._accepted = accepted
        self._content_of = content
        self._undo = undo
        self._wake = asyncio.Event()
        self._in_flight = InFlight(stream, database, self._wake.set)
        self._online = False
        self._session = 0
        """Grows with each connection and each session. Work that began in another one is repeated."""
        self._tried_up_to = 0
        """All queued messages up to this row were sent in this session."""
        self._commit_handle: asyncio.Handle | None = None
        self._waiting: dict[int, asyncio.Future[None]] = {}

    # what others tell

    def on_link_changed(self, online: bool, lost: bool = False) -> None:
        """The connection is up (perhaps of a resumed session), or down: then nobody waits for it any longer.

        ``lost``: it went down by itself, not because this program closed it.
        """
        if self._online and lost:
            self._in_flight.suspect()
        self._online = online
        if online:
            self._session += 1
            self._in_flight.on_connected()
            self._tried_up_to = 0
            self._wake.set()
            return
        self._in_flight.on_disconnected()
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)

    def on_session_lost(self) -> None:
        """A new session began. What was sent in the old one and not acknowledged is sent again."""
        self._session += 1
        self._in_flight.on_session_lost()
        self._tried_up_to = 0

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def requeued(self, message: Message) -> None:
        """A failed message was queued once more."""
        self._in_flight.retry(message.row)
        self._tried_up_to = 0

    # messages to groups, which leave the queue when they come back from the group

    def settled(self, message: Message) -> None:
        """The group has a message. The caller commits."""
        if message.kind is not Kind.TEXT:
            self._undo.settled(message)
        if message.kind is Kind.DELETION:
            self._files.wake()
        self._in_flight.stored.forget(message.id)
        self._in_flight.settle(message.row, message.id)

    def members_changed(self, group: str) -> None:
        """The members of a group are others now: what it does not have yet is encrypted anew, in order."""
        if not self._groups.must_wait(group):
            for message in self._history.queued_in(group):
                content = self._in_flight.stored.content(message.id)
                if content is not None and self._groups.is_outdated(message, content):
                    self._in_flight.drop(message.row, message.id)
            self._tried_up_to = 0
        self._wake.set()

    # files, which are uploaded before their messages are sent

    def uploaded(self, message: Message) -> None:
        """The file of a message is there, or is not wanted any more."""
        self._tried_up_to = 0
        self._wake.set()

    def not_uploaded(self, message: Message, error: ClientError) -> None:
        """The file of a message will never be there."""
        self._refuse(message, error)
        self.uploaded(message)

    def stalled(self, message: Message) -> None:
        """The file of a message takes longer, so nobody waits for it any more."""
        self._end_wait(message.row, None)

    def refused(self, message: Message, error: str) -> None:
        """A group has refused a message for good."""
        self._in_flight.settle(message.row, message.id)
        self._refuse(message, NotSendable(error))

    async def wait_until_sent(self, message: Message) -> None:
        """Waits until the message is on the wire, or has to wait for a connection.

        Raises NotEncrypted and NotSendable if it failed.
        """
        if not self._online or (message.media is None and self._files.must_wait(message)):
            await self._db.flush()
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[message.row] = future
        self._wake.set()
        try:
            await future
        finally:
            del self._waiting[message.row]

    # sending

    async def run(self) -> None:
        """Sends what there is, whenever it is woken, until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._online and (batch := self._next_messages()):
                await self._send(batch)
                self._send_receipts()
            self._send_receipts()
            self._in_flight.request_acknowledgement()
            for future in self._waiting.values():
                if not future.done() and self._in_flight.one_at_a_time:
                    future.set_result(None)

    def _next_messages(self) -> list[Message]:
        """The next queued messages in order; a single one if they have to go out one at a time."""
        if self._in_flight.must_wait:
            return []
        limit = 1 if self._in_flight.one_at_a_time else _BATCH
        while found := self._history.queued(self._tried_up_to, limit):
            fresh = [
                message
                for message in found
                if not self._in_flight.was_sent(message.row)
                and not self._files.must_wait(message)
                and not (message.group and self._groups.must_wait(message.peer))
            ]
            if fresh:
                return fresh
            self._tried_up_to = found[-1].row
        return []

    async def _send(self, messages: list[Message]) -> None:
        """Encrypts messages, commits once for all of them, and sends them."""
        session = self._session
        ready: list[tuple[Message, list[Element]]] = []
        for message in messages:
            if message.kind is not Kind.TEXT and self._history.get(message.row).state is not State.QUEUED:
                continue  # the message that it changes has just failed
            try:
                content = self._stored(message) or await self._content(message)
            except Interrupted:
                break
            except (NotEncrypted, NotSendable) as error:
                self._refuse(message, error)
            else:
                ready.append((message, content))
        self._db.commit()
        await self._db.flush()
        changed: set[str] = set()
        for message, content in ready:
            # In another session, messages before these, which the last session has lost, go out first.
            if not self._online or session != self._session:
                return
            if message.group and (message.peer in changed or self._groups.is_outdated(message, content)):
                changed.add(message.peer)  # its members have changed meanwhile
                continue
            self._tried_up_to = message.row
            try:
                flight = self._flight(message)
                kind: Literal["chat", "groupchat"] = "groupchat" if message.group else "chat"
                self._in_flight.send(message.peer, message.id, content, flight, kind)
            except NotSendable as error:
                self._refuse(message, error)
            else:
                self._end_wait(message.row, None)
        if changed:
            self._tried_up_to = 0
            self._wake.set()
        self._in_flight.request_acknowledgement()

    def _stored(self, message: Message) -> list[Element] | None:
        """The children of the stanza as they were encrypted before, unless that was for other members."""
        content = self._in_flight.stored.content(message.id)
        if content is None or (message.group and self._groups.is_outdated(message, content)):
            return None
        return content

    async def _content(self, message: Message) -> list[Element]:
        """The children of the stanza, stored for all attempts.

        Raises NotEncrypted, Interrupted, and NotSendable for a group that we are not in.
        """
        if message.group:
            content = await self._attempt(self._groups.content(message))
        else:
            text = self._content_of.plaintext(message)
            element, key = None, b""
            if message.kind is Kind.HEARD:
                element, key = await self._attempt(
                    self._key_work.run(self._encryption.encrypt_key(message.peer, with_own=True))
                )
            elif message.encrypted and text:
                element, key = await self._encrypted(message.peer, text)
            content = self._content_of.elements(message, element, key)
        self._in_flight.stored.keep(message.id, content)
        self._history.note_digest(message, stanzas.digest(content))
        return content

    async def look_for_keys(self, peer: str) -> None:
        """Looks whether a peer who had no keys has some now: then `is_plain` of their chat ends.

        If that fails, there are none as far as is known.
        """
        try:
            await self._key_work.run(self._encryption.look_for_keys(peer))
        except (Interrupted, IqError, IqTimeout, OMEMOException) as error:
            _log.debug("keys of %s could not be fetched: %r", peer, error)
        self._db.commit()

    async def _encrypted(self, peer: str, text: str) -> tuple[Element, bytes]:
        return await self._attempt(self._key_work.run(self._encryption.encrypt(peer, text)))

    async def _attempt(self, encrypting: Awaitable[_T]) -> _T:
        try:
            return await encrypting
        except (NotEncrypted, NotSendable, Interrupted):
            raise
        except Exception as error:
            # If the connection was lost in the middle, the message stays queued for the next one.
            if not self._stream.is_connected():
                raise Interrupted from None
            raise NotEncrypted(f"It could not be encrypted: {error}") from error

    def _send_receipts(self) -> None:
        """Sends receipts and markers that are owed, as many as may be on their way."""
        room = _MAX_RECEIPTS - self._in_flight.receipts
        after = ("", "", "")
        while self._online and room > 0 and (found := self._history.owed(after, _MAX_RECEIPTS)):
            last = found[-1]
            after = last if self._accepted(last[0]) else (last[0], _AFTER_ALL, "")
            for owed in found:
                if room > 0 and self._in_flight.may_send(owed) and self._accepted(owed[0]):
                    self._send_receipt(*owed)
                    room -= 1

    def _send_receipt(self, peer: str, kind: str, id: str) -> None:
        key = (peer, kind, id)
        own = str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(key)))

        def done(_: str = "") -> None:
            self._history.settle(*key)
            self._in_flight.stored.forget(own)
            self._commit_soon()
            self._wake.set()  # there may be more

        try:
            self._in_flight.send(peer, own, stanzas.answer(kind, id), Flight(key, done, done))
        except NotSendable:
            done()

    # how it ends

    def _flight(self, message: Message) -> Flight:
        def failed(why: str) -> None:
            self._refuse(message, NotSendable(why))

        if message.group:
            return Flight(message.row, lambda: None, failed, stays=True)
        return Flight(message.row, lambda: self._acknowledged(message), failed)

    def _acknowledged(self, message: Message) -> None:
        self._in_flight.stored.forget(message.id)
        current = self._history.get(message.row)
        changed = None
        if current.state is State.QUEUED:  # else it came back, or was even read, before its acknowledgement
            changed = self._history.raise_state(current, State.SENT)
        if changed is not None and changed.kind is not Kind.TEXT:
            self._undo.settled(changed)
        if current.kind is Kind.DELETION:
            self._files.wake()
        self._commit_soon()
        if changed is not None and changed.kind is Kind.TEXT:
            self._publish(MessageChanged(changed))

    def _refuse(self, message: Message, error: ClientError) -> None:
        """The message has failed, and is not sent again by itself."""
        failed = self._history.fail(message, str(error))
        if message.group:
            self._history.put_failed(message)
        self._in_flight.stored.forget(message.id)
        events = self._undo.failed(failed, told=message.row in self._waiting)
        self._db.commit()
        self._end_wait(message.row, error)
        for event in events:
            self._publish(event)

    def _end_wait(self, row: int, error: ClientError | None) -> None:
        future = self._waiting.get(row)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def _commit_soon(self) -> None:
        """Commits once for everything that one acknowledgement covers.

        If that is lost in a crash, the messages only go out once more.
        """

        def commit() -> None:
            self._commit_handle = None
            with suppress(NotOpen):  # the client was closed, and has committed
                self._db.commit()

        if self._commit_handle is None:
            self._commit_handle = asyncio.get_running_loop().call_soon(commit)
