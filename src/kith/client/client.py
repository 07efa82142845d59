"""The client: one account, here. See `kith.client` for the shortest program."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from slixmpp import JID
from slixmpp.jid import InvalidJID

from kith.client import connection, credential, profile, sendable
from kith.client.certificate import Pin
from kith.client.connection import Connection
from kith.client.contacts import Contacts
from kith.client.database import Database
from kith.client.encryption import Encryption
from kith.client.errors import AlreadyOpen, LoginFailed, NotOnline, NotSent, ServerUnreachable
from kith.client.events import (
    Broadcast,
    ConnectionChanged,
    ContactChanged,
    Event,
    KeysChanged,
    Listener,
    MessageChanged,
    MessageReceived,
)
from kith.client.healing import Healing
from kith.client.history import Draft, History
from kith.client.incoming import Incoming
from kith.client.message import Chat, Fingerprint, Link, Message, State, Trust
from kith.client.outbox import Outbox
from kith.client.profile import Profile
from kith.client.stanzas import chat_state
from kith.client.stream import Stream
from kith.client.trust import Watch
from kith.client.turn import Interrupted, Turn
from kith.terminal import NICKNAME, one_line

_T = TypeVar("_T")


def data_folder(jid: str) -> Path:
    """Where an account's keys and history are kept if nobody says otherwise (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "kith" / re.sub(r"[^\w.@+-]", "_", jid)


def bare(address: str) -> str:
    """The bare address, normalised. Raises ValueError."""
    try:
        jid = JID(address.strip())
    except (InvalidJID, UnicodeError):  # half of a surrogate pair can't be encoded
        raise ValueError(f"{address!r} is not an address: it looks like name@example.org") from None
    if not jid.user or not jid.domain:
        raise ValueError(f"{address!r} is not an address: it looks like name@example.org")
    return str(jid.bare)


class Client:
    """An account on this device. An async context manager: inside, it keeps itself connected.

    Without a ``password`` it logs in as the device that `kith login` or `kith link` has made here.
    ``data``: folder for keys and history. ``host``, ``port``: where to connect; else the environment's
    KITH_HOST and KITH_PORT, else DNS. ``direct_tls``: TLS from the first byte (by default on port
    5223), instead of STARTTLS. ``insecure``: no TLS, for tests on the loopback. ``pin``: the
    SHA-256 fingerprint of a self-signed certificate; without it the first one seen is remembered.
    ``auto_accept``: whoever asks may see when we are online.

    Entering raises LoginFailed, CertificateInvalid, CertificateChanged, AccountInUse, and
    ServerUnreachable if this account was never online here. Once it was, it may start offline.
    """

    def __init__(
        self,
        jid: str,
        password: str | None = None,
        *,
        data: Path | str | None = None,
        host: str | None = None,
        port: int | None = None,
        direct_tls: bool | None = None,
        insecure: bool = False,
        pin: str | None = None,
        auto_accept: bool = False,
    ) -> None:
        self.jid = bare(jid)
        self._password = password
        self._folder = Path(data) if data is not None else data_folder(self.jid)
        self._where = connection.address(self.jid.partition("@")[2], host, port)
        self._direct_tls = self._where[1] == connection.DIRECT_TLS_PORT if direct_tls is None else direct_tls
        self._insecure = insecure
        self._pin = pin
        self._auto_accept = auto_accept
        self._events = Broadcast()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        await self.ready()
        return self

    async def ready(self) -> None:
        """After `open`: waits for the first attempt to connect. Raises what entering raises; closes then."""
        try:
            await asyncio.shield(self._connection.first)
        except OSError as error:
            if self._db.get("seen") is None:
                await self.close()
                host, port = self._where
                where = f"{host}:{port}" if host else self.jid.partition("@")[2]
                raise ServerUnreachable(
                    f"Can't reach {where}: {error}. Is the server running, and are host and port right?"
                ) from None
        except BaseException:
            await self.close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Opens the local data and starts to connect, without waiting for it.

        Raises AccountInUse, DataUnusable, LoginFailed (nobody is logged in here), ValueError (a wrong pin),
        and AlreadyOpen. A client that was closed may be opened again.
        """
        if self._tasks:
            raise AlreadyOpen(f"The client of {self.jid} is open already.")
        self._db = Database(self._folder)
        try:
            self._build()
        except BaseException:
            self._db.close()
            raise
        self._closed = False
        self._error = None
        self._events.reopen()
        self._tasks = [
            asyncio.create_task(work, name=f"kith {self.jid}")
            for work in (
                self._connection.run(),
                self._outbox.run(),
                self._incoming.run(),
                self._healing.run(),
            )
        ]
        for task in self._tasks:
            task.add_done_callback(self._on_task_done)

    def _build(self) -> None:
        if self._db.get("resource") is None:
            self._db.set("resource", f"kith.{uuid.uuid4().hex[:8]}")
            self._db.commit()
        certificate = Pin(self._db, self._pin)
        device = credential.load(self._folder) if self._password is None else None
        if self._password is None and device is None:
            raise LoginFailed(f"{self.jid} is not logged in on this device. Log in with: kith login")
        resource = self._db.get("resource") or "kith"
        stream = Stream(self.jid, self._password or "", certificate, self._insecure, resource, device)
        stream.renewed = lambda renewed: renewed.save(self._db)
        stream.max_bytes = int(self._db.get("max-bytes") or stream.max_bytes)
        stream.limit_told = lambda limit: self._db.set("max-bytes", str(limit))
        publish = self._publish
        self._stream = stream
        self._history = History(self._db, self)
        self._turn = Turn(self._db)
        self._encryption = Encryption(
            stream, self._db, self.jid, Watch(self._db, self._keys_changed), self._turn
        )
        self._contacts = Contacts(stream, self._auto_accept, publish, self._requested)
        work = stream, self._db, self._history, self._encryption, self._turn
        self._outbox = Outbox(*work, publish, self.accepted, self._introduction)
        self._healing = Healing(*work, self.accepted)
        self._incoming = Incoming(*work, publish, self._outbox.wake, self._healing, self.accepted)
        self._connection = Connection(stream, self._where, self._direct_tls, self._set_up, self._link_changed)

    async def close(self) -> None:
        """Leaves. What is queued stays queued for the next time."""
        if self._closed or not self._tasks:
            return
        self._closed = True
        try:
            await self._connection.close()
        finally:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(asyncio.CancelledError, Exception):
                await self._encryption.close()
            with suppress(asyncio.CancelledError, Exception):
                self._connection.first.cancel()
            self._events.close()
            self._arrived.set()
            self._db.close()

    # writing

    async def send(self, peer: str, body: str, *, encrypted: bool | None = None) -> Message:
        """Writes to a peer. Returns when it is on its way, or, without a connection, safely in the outbox.

        If it is cancelled while it waits, the message stays there all the same, and goes out.
        ``encrypted``: None follows the chat's setting, which is True unless the user changed it
        (`set_plain`). Raises PeerHasNoDevices, NoTrustedDevices (nothing is sent then), TooLarge and
        BadCharacters (nothing is stored either; see `largest_text`), and ValueError.
        """
        peer = bare(peer)
        if peer == self.jid:
            raise ValueError("This is your own address.")
        if not body.strip():
            raise ValueError("There is nothing to send.")
        if encrypted is None:
            encrypted = not self._history.chat(peer).plain
        sendable.check_text(body, encrypted, self._stream.max_bytes)
        id = str(uuid.uuid4())
        draft = Draft(
            peer=peer,
            id=id,
            body=body,
            incoming=False,
            encrypted=encrypted,
            trust=Trust.VERIFIED if encrypted else Trust.PLAIN,
            time=datetime.now(UTC),
            state=State.QUEUED,
            origin=id,
            here=True,
        )
        message = self._history.add(draft)
        assert message is not None, "a new origin id is unique"
        self._history.mark_read(peer, message)
        self._history.note_written(peer)
        self._db.commit()
        self._publish(MessageReceived(message))
        if self.link is Link.ONLINE and not self._contacts.known(peer):
            self._contacts.add(peer, self._nickname)
        await self._outbox.handed_over(message)
        return self._history.get(message.row)

    async def resend(self, message: Message) -> Message:
        """Tries a failed message once more, as a new one with a new id. Raises as `send` does.

        Does nothing with a message that has not failed.
        """
        current = self._history.get(message.row)
        if current.state is not State.FAILED:
            return current
        sendable.check_text(current.body, current.encrypted, self._stream.max_bytes)
        again = self._history.requeue(current, str(uuid.uuid4()))
        self._db.commit()
        self._outbox.again(again)
        self._publish(MessageChanged(again))
        await self._outbox.handed_over(again)
        return self._history.get(message.row)

    def largest_text(self, encrypted: bool = True) -> int:
        """How many bytes (in UTF-8) a message may have on this server."""
        return sendable.largest_text(encrypted, self._stream.max_bytes)

    async def typing(self, peer: str, active: bool = True) -> None:
        """Shows the peer that we write, or have stopped (XEP-0085).

        Does nothing while offline, or when the peer is a stranger who was not accepted.
        """
        peer = bare(peer)
        if self.link is Link.ONLINE and self.accepted(peer):
            stanza = self._stream.make_message(peer, mtype="chat")
            for child in chat_state(active):
                stanza.append(child)
            stanza.send()

    async def mark_read(self, peer: str, upto: Message | None = None) -> None:
        """We have seen a chat, up to a message or all of it; the peer is told (XEP-0333).

        A stranger is told once they are accepted.
        """
        peer = bare(peer)
        marker = self._history.mark_read(peer, upto)
        if marker is not None:
            self._history.owe(peer, "displayed", marker)
            self._outbox.wake()
        self._db.commit()
        self._publish(ContactChanged(peer))

    # reading

    async def messages(self) -> AsyncIterator[Message]:
        """Every readable message of peers and of our other devices, once, in order, also over restarts.

        What arrived while nobody iterated comes first. A message counts as seen when the next is asked for.
        """
        if self._closed:
            return
        row = int(self._db.get("iterated") or 0)
        while not self._closed:
            self._arrived.clear()
            for message in self._history.since(row):
                yield message
                if self._closed:
                    return
                row = message.row
                self._db.set("iterated", str(row))
                self._db.commit()
                self._arrived.set()
            if self._error is not None:
                raise self._error
            await self._arrived.wait()

    def events(self) -> Listener:
        """All that happens from now on: see `kith.client.events`. Closes itself when nobody holds it."""
        return self._events.listen()

    async def wait_for(self, message: Message, state: State, timeout: float = 30.0) -> Message:
        """Waits until one of our messages came at least that far.

        Raises TimeoutError; NotSent as soon as it has failed (unless that was waited for); NotOnline when
        the client is closed meanwhile.
        """
        with self.events() as events:
            current = self._history.get(message.row)
            async with asyncio.timeout(timeout):
                while current.state is not state and current.state.rank < state.rank:
                    if current.state is State.FAILED:
                        raise NotSent(current.error or "It could not be sent.")
                    current = await self._next_change(events, message.row)
        return current

    async def _next_change(self, events: Listener, row: int) -> Message:
        async for event in events:
            if isinstance(event, MessageChanged) and event.message.row == row:
                return event.message
        raise NotOnline("The client was closed meanwhile.")

    async def wait_online(self, timeout: float = 30.0) -> None:
        """Waits for the connection. Raises TimeoutError, and NotOnline when the client is closed."""
        with self.events() as events:
            async with asyncio.timeout(timeout):
                while self.link is not Link.ONLINE:
                    if await anext(events, None) is None:
                        raise NotOnline("The client was closed meanwhile.")

    async def caught_up(self, timeout: float = 30.0) -> None:
        """Waits until the archive was read since the last connect. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._incoming.lag.wait()

    def history(self, peer: str, before: Message | None = None, limit: int = 50) -> list[Message]:
        """The newest messages with a peer, or those before one, oldest first. From the local copy."""
        return self._history.page(bare(peer), before, limit)

    def search(self, text: str, limit: int = 50) -> list[Message]:
        """Messages of the local copy that contain the text, newest first."""
        return self._history.search(text, limit)

    def chats(self) -> list[Chat]:
        """All chats and contacts; the one with the newest message first."""
        return [self._seen(chat) for chat in self._history.chats()]

    def chat(self, peer: str) -> Chat:
        """One chat; an empty one if there is none yet."""
        return self._seen(self._history.chat(bare(peer)))

    def _seen(self, chat: Chat) -> Chat:
        return replace(chat, accepted=self.accepted(chat.peer))

    def accepted(self, peer: str) -> bool:
        """Whether a peer may learn when we are here and what we have read.

        It may when it is in the roster, when we have ever written to it, or with ``auto_accept``.
        """
        return (
            self._auto_accept
            or peer == self.jid
            or self._contacts.contains(peer)
            or self._history.written(peer)
        )

    def queued(self) -> int:
        """How many messages wait to be acknowledged by the server."""
        return self._history.count_queued()

    # keys

    async def fingerprints(self, peer: str | None = None) -> list[Fingerprint]:
        """The identity keys of a peer's devices, or our own (this device first). Raises NotOnline."""
        self._need_server()
        found = await self._key_work(self._encryption.fingerprints(bare(peer) if peer else self.jid))
        self._db.commit()
        return found

    async def verify(self, peer: str, fingerprint: str) -> None:
        """The fingerprint was compared with the peer's own display of it. Raises KeyError, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.VERIFIED)

    async def trust(self, peer: str, fingerprint: str) -> None:
        """Takes the key without comparing it. Raises KeyError, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.BLIND)

    async def distrust(self, peer: str, fingerprint: str) -> None:
        """Never write to this device again; flag what it sends. Raises KeyError, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.DISTRUSTED)

    async def _set_trust(self, peer: str, fingerprint: str, level: Trust) -> None:
        self._need_server()
        await self._key_work(self._encryption.set_trust(bare(peer), fingerprint, level))
        self._db.commit()
        self._healing.wake()

    async def _key_work(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await self._turn.take(work)
        except Interrupted:
            raise NotOnline("The connection to the server was lost meanwhile.") from None

    def keys_seen(self, peer: str) -> None:
        """The user has read the warning that the peer's keys changed."""
        self._history.update_chat(bare(peer), keys_changed=False)
        self._db.commit()

    def set_plain(self, peer: str, plain: bool) -> None:
        """The user's choice for a chat: unencrypted from now on, or encrypted again."""
        self._history.update_chat(bare(peer), plain=plain)
        self._db.commit()

    # contacts and connection

    def requests(self) -> list[str]:
        """Who asks to see when we are online."""
        return list(self._contacts.requests)

    async def accept(self, peer: str) -> None:
        """Lets the peer see when we are online and what we have read, and asks the same. Raises NotOnline."""
        self._need_server()
        peer = bare(peer)
        self._contacts.accept(peer, self._nickname)
        self._history.note_written(peer)
        self._db.commit()
        self._outbox.wake()
        self._healing.wake()
        self._publish(ContactChanged(peer))

    async def decline(self, peer: str) -> None:
        """Raises NotOnline."""
        self._need_server()
        self._contacts.decline(bare(peer))

    async def block(self, peer: str, report: bool = False) -> None:
        """Nothing comes from the peer any more (XEP-0191). ``report``: the operator hears of it (XEP-0377).

        Raises NotOnline, and Refused when the server does not do it.
        """
        self._need_server()
        peer = bare(peer)
        await self._contacts.block(peer, report)
        self._publish(ContactChanged(peer))

    async def add_contact(self, peer: str, name: str = "") -> None:
        """Puts a peer into the roster and asks to see when they are online.

        Raises NotOnline, ValueError (BadCharacters for the name).
        """
        self._need_server()
        peer = bare(peer)
        if name:
            sendable.check_characters(name)
            await self._contacts.rename(peer, name)
            self._history.update_chat(peer, name=name)
            self._db.commit()
        self._contacts.add(peer, self._nickname)

    async def profile(self, peer: str | None = None) -> Profile:
        """What a peer shows of themselves, or we do. Raises NotOnline, ValueError."""
        self._need_server()
        return await profile.read(self._stream, bare(peer) if peer else self.jid)

    async def set_profile(self, shown: Profile) -> None:
        """What we show of ourselves. Raises NotOnline, and ValueError for what can't be shown."""
        self._need_server()
        sendable.check_characters(shown.name + shown.about)
        await profile.write(self._stream, shown)
        self._db.set("nickname", shown.name)
        self._db.commit()

    def _introduction(self, peer: str) -> str:
        """Our name, for a peer who is not known to see it otherwise."""
        return "" if self._contacts.sees_us(peer) else self._nickname

    @property
    def _nickname(self) -> str:
        return self._db.get("nickname") or ""

    def online(self, peer: str) -> bool:
        """Whether the peer is known to be online."""
        return self._contacts.online(bare(peer))

    def name(self, peer: str, name: str) -> None:
        """Calls a peer so, here. An empty name changes nothing, but makes the chat."""
        self._history.update_chat(bare(peer), **({"name": name} if name else {}))
        self._db.commit()

    @property
    def is_open(self) -> bool:
        """Between `open` and `close`."""
        return bool(self._tasks) and not self._closed

    @property
    def link(self) -> Link:
        return self._connection.link

    def reconnect(self) -> None:
        """Tries now, instead of waiting for the next attempt."""
        self._connection.retry_now()

    # the parts' callbacks

    def _need_server(self) -> None:
        if self.link is not Link.ONLINE:
            raise NotOnline("There is no connection to the server now.")

    async def _set_up(self) -> None:
        """A new session: the order matters. Presence comes last, as it lets messages in."""
        self._turn.interrupt()
        self._outbox.lost()
        await self._contacts.load()
        for peer, name in self._contacts.all().items():
            self._history.update_chat(peer, **({"name": name} if name else {}))
        await self._stream.plugin["xep_0280"].enable(timeout=30)
        await self._turn.take(self._encryption.open())
        if self._db.get("nickname") is None:
            self._db.set("nickname", await profile.nickname(self._stream, self.jid))
        self._db.set("seen", "1")
        self._db.commit()
        self._incoming.catch_up()
        self._stream.send_presence()

    def _link_changed(self, event: ConnectionChanged) -> None:
        if event.link is Link.ONLINE and self._incoming.broken:
            self._incoming.catch_up()
        if event.link is Link.ONLINE:
            self._healing.wake()
        self._outbox.connected(event.link is Link.ONLINE, lost=event.link is Link.RECONNECTING)
        self._publish(event)

    def _requested(self, peer: str, nickname: str) -> None:
        """Somebody asks to be a contact: that is a chat, too."""
        self._history.update_chat(peer)
        if nickname:
            self._history.note_nickname(peer, one_line(nickname, NICKNAME))
        self._db.commit()

    def _keys_changed(self, peer: str, fingerprint: str, trusted: bool) -> None:
        if peer != self.jid:
            self._history.update_chat(peer, keys_changed=True)
        self._publish(KeysChanged(peer, fingerprint, trusted))

    def _publish(self, event: Event) -> None:
        if isinstance(event, MessageReceived):
            self._arrived.set()
        self._events.publish(event)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            if not self._connection.first.done():
                self._connection.first.set_exception(error)
            self._arrived.set()
