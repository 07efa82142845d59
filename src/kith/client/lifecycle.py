"""Opening, connecting and closing a client: builds its parts, wires them, and runs their tasks."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from kith.client import credential, profile
from kith.client.addresses import DIRECT_TLS_PORT, bare, data_folder, server_address
from kith.client.certificate import Pin
from kith.client.content import Content
from kith.client.database import Database
from kith.client.errors import AlreadyOpen, LoginFailed, NotOnline, NotOpen, ServerUnreachable
from kith.client.events import (
    Broadcast,
    ConnectionChanged,
    EncryptedAgain,
    Event,
    KeysChanged,
    MessageReceived,
)
from kith.client.history import History
from kith.client.key_work import KeyWork
from kith.client.message import Link, Replies
from kith.client.policies import TrustPolicy, blind_before_verification
from kith.client.proxy import Proxy
from kith.client.trust import KnownKeys
from kith.terminal import NICKNAME, one_line

if TYPE_CHECKING:  # `_build` imports what is built on slixmpp, which takes long
    from kith.client.calls.calls import Calls
    from kith.client.media.http import MediaHTTP
    from kith.client.stream import Stream


class Lifecycle:
    """The part of `kith.client.Client` that opens, connects and closes. See there for the arguments.

    Between `open` and `close`, tasks run: the connection, the outbox, incoming messages, requests to send
    undecryptable messages again, and those that keep groups and statuses in step and upload files. If one of
    them fails, `Client.messages` raises its error.
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
        calls: bool = False,
        trust_policy: TrustPolicy = blind_before_verification,
        proxy: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.jid = bare(jid)
        self._password = password
        self._folder = Path(data) if data is not None else data_folder(self.jid)
        self._server = server_address(self.jid.partition("@")[2], host, port)
        self._direct_tls = self._server[1] == DIRECT_TLS_PORT if direct_tls is None else direct_tls
        self._insecure = insecure
        self._pin = pin
        self._auto_accept = auto_accept
        self._takes_calls = calls
        self._trust_policy = trust_policy
        self._proxy = Proxy(proxy) if proxy else None
        self._timeout = timeout
        self._events = Broadcast()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._error: BaseException | None = None

    if not TYPE_CHECKING:  # for type checkers, all attributes are known

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_") and not name.startswith("__"):  # a part, which `open` makes
                raise NotOpen(f"The client of {self.__dict__.get('jid', 'an account')} is not open.")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    async def __aenter__(self) -> Self:
        await self.open()
        await self.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Opens the local data and starts to connect, without waiting for the connection.

        Raises AccountInUse, DataUnusable, LoginFailed (nobody is logged in here), ValueError (a malformed
        pin), and AlreadyOpen. A client that was closed may be opened again.
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
                self._group_sync.run(),
                self._group_parts.receipts.run(),
                self._group_parts.newcomers.run(),
                self._group_parts.expiry.run(),
                self._media.uploading.run(),
                self._media.missing.run(),
                self._status.sync.run(),
            )
        ]
        for task in self._tasks:
            task.add_done_callback(self._on_task_done)

    async def ready(self) -> None:
        """Waits for the first attempt to connect, after `open`.

        Raises what entering the context manager raises, and closes the client then.
        """
        try:
            await asyncio.shield(self._connection.first)
        except OSError as error:
            if self._db.get("seen") is None:
                await self.close()
                host, port = self._server
                where = f"{host}:{port}" if host else self.jid.partition("@")[2]
                raise ServerUnreachable(
                    f"Can't reach {where}: {error}. Is the server running, and are host and port right?"
                ) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnects and closes the local data. Queued messages stay queued for the next time."""
        if self._closed or not self._tasks:
            return
        self._closed = True
        try:
            with suppress(Exception):
                await self._calls.close()
            await self._connection.close()
        finally:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(asyncio.CancelledError, Exception):
                await self._media.http.close()
            with suppress(asyncio.CancelledError, Exception):
                await self._encryption.close()
            with suppress(asyncio.CancelledError, Exception):
                self._connection.first.cancel()
            self._events.close()
            self._arrived.set()
            self._db.close()

    @property
    def is_open(self) -> bool:
        """Whether the client is between `open` and `close`."""
        return bool(self._tasks) and not self._closed

    @property
    def calls(self) -> Calls:
        """Calls: to place them, and how they are connected. Needs the extra ``calls``."""
        return self._calls

    @property
    def link(self) -> Link:
        """The state of the connection to the server."""
        return self._connection.link

    def accepted(self, peer: str) -> bool:
        """Whether a peer may learn when we are online and what we have read.

        It may if it is in the roster, if we have ever written to it, or with ``auto_accept``.
        """
        return (
            self._auto_accept
            or peer == self.jid
            or self._contacts.contains(peer)
            or self._history.written(peer)
            or self._groups.is_ours(peer)
        )

    def _replies(self) -> Replies:
        """What `Message.reply` calls."""
        raise NotImplementedError

    def _build(self) -> None:
        """Makes the parts again, with the open database. Raises LoginFailed, ValueError."""
        if self._db.get("resource") is None:
            self._db.set("resource", f"kith.{uuid.uuid4().hex[:8]}")
            self._db.commit()
        # Imported here, and not with `kith.client`, since the libraries behind these take long to import.
        from kith.client.calls.calls import Calls
        from kith.client.calls.fingerprints import Fingerprints
        from kith.client.catchup import CatchUp
        from kith.client.connection import Connection
        from kith.client.contacts import Contacts
        from kith.client.encryption import Encryption
        from kith.client.groups.parts import GroupParts
        from kith.client.healing import Healing
        from kith.client.incoming import Incoming
        from kith.client.media.parts import MediaParts
        from kith.client.outbox import Outbox
        from kith.client.status.parts import StatusParts
        from kith.client.undo import Undo

        stream = self._stream = self._make_stream()
        self._history = History(self._db, self._replies())
        self._key_work = KeyWork(self._db)
        self._encryption = Encryption(
            stream,
            self._db,
            self.jid,
            KnownKeys(self._db, self._trust_policy, self._on_new_key, self._on_encrypted_again),
            self._key_work,
        )
        self._contacts = Contacts(stream, self._auto_accept, self._publish, self._on_contact_request)
        parts = stream, self._db, self._history, self._encryption, self._key_work
        content = Content(self._history, self.jid, self._introduction)
        groups = self._group_parts = GroupParts(*parts, self._publish, self._members_changed)
        self._groups, self._group_sync = groups.records, groups.sync
        self._undo = Undo(self._db, self._history)
        media = self._media = MediaParts(
            *parts, groups.records, self._media_http(), self.accepted, self._publish
        )
        self._outbox = Outbox(
            *parts,
            self._publish,
            self.accepted,
            content,
            groups.sending,
            self._undo,
            media,
        )
        media.connect(self._outbox)
        self._healing = Healing(*parts, self.accepted, content, groups.records, groups.content)
        catch_up = CatchUp(stream, self._db, self._history, lambda: groups.sync.supported)
        self._status = StatusParts(
            *(stream, self._db, self._encryption, self._key_work, catch_up, self._contacts, self._publish)
        )
        self._incoming = Incoming(
            *parts,
            catch_up,
            self._publish,
            self._outbox.wake,
            self._healing,
            lambda peer: self.accepted(peer) or groups.records.shared(peer),
            groups.incoming(self._outbox),
            self._undo,
            media.missing.take,
            calls := Calls(
                stream,
                Fingerprints(self._encryption, self._key_work, self._db),
                self.accepted if self._takes_calls else lambda peer: False,
                self._publish,
                self._takes_calls,
            ),
            self._status.sync,
        )
        calls.caught_up = self._incoming.caught_up
        self._calls = calls
        self._connection = Connection(
            stream, self._server, self._direct_tls, self._set_up_session, self._on_link_changed
        )

    def _make_stream(self) -> Stream:
        from kith.client.stream import Stream

        pin = Pin(self._db, self._pin)
        device = credential.load(self._folder) if self._password is None else None
        if self._password is None and device is None:
            raise LoginFailed(f"{self.jid} is not logged in on this device. Log in with: kith login")
        resource = self._db.get("resource") or "kith"
        stream = Stream(self.jid, self._password or "", pin, self._insecure, resource, device)
        stream.on_token_renewed = lambda renewed: renewed.save(self._db)
        stream.timeout = self._timeout
        stream.proxy = self._proxy
        stream.max_bytes = int(self._db.get("max-bytes") or stream.max_bytes)
        stream.on_limit = lambda limit: self._db.set("max-bytes", str(limit))
        return stream

    def _media_http(self) -> MediaHTTP:
        from kith.client.media.http import MediaHTTP

        domain, proxy = self.jid.partition("@")[2], self._proxy
        pin = Pin(self._db, self._pin)
        return MediaHTTP(domain, self._server[0], pin, self._insecure, proxy.url if proxy else None)

    # what the parts call

    async def _set_up_session(self) -> None:
        """Sets up a new session, which was not resumed. Presence comes last, since it lets messages in."""
        self._key_work.interrupt()
        self._outbox.on_session_lost()
        self._media.service.forget()
        await self._contacts.load()
        for peer, name in self._contacts.all().items():
            self._history.update_chat(peer, **({"name": name} if name else {}))
        await self._stream.plugin["xep_0280"].enable(timeout=self._timeout)
        await self._key_work.run(self._encryption.open())
        if self._db.get("nickname") is None:
            self._db.set("nickname", await profile.nickname(self._stream, self.jid))
        self._db.set("seen", "1")
        await self._group_sync.begin()
        self._db.commit()
        await self._group_sync.list()
        await self._status.begin()
        self._incoming.catch_up()
        self._contacts.send_presence()

    def _on_link_changed(self, event: ConnectionChanged) -> None:
        if event.link is Link.ONLINE and self._incoming.broken:
            self._incoming.catch_up()
        if event.link is Link.ONLINE:
            self._healing.wake()
            self._group_sync.wake()
            self._group_parts.receipts.resume()
            self._group_parts.newcomers.wake()
        self._media.uploading.on_link_changed(event.link is Link.ONLINE)
        self._outbox.on_link_changed(event.link is Link.ONLINE, lost=event.link is Link.RECONNECTING)
        self._publish(event)

    def _members_changed(self, group: str) -> None:
        """The members of a group are known anew."""
        self._outbox.members_changed(group)
        if self._auto_accept and (found := self._groups.find(group)) is not None and found.invited:
            self._group_sync.accept_soon(group)

    def _on_contact_request(self, peer: str, nickname: str) -> None:
        """Somebody asks to be a contact. This creates a chat, so that the request is seen."""
        self._history.update_chat(peer)
        if nickname:
            self._history.note_nickname(peer, one_line(nickname, NICKNAME))
        self._db.commit()

    def _on_new_key(self, peer: str, fingerprint: str, trusted: bool) -> None:
        if peer != self.jid and self._history.has_chat(peer):  # or else only in a group with us
            self._history.update_chat(peer, keys_changed=True)
        self._publish(KeysChanged(peer, fingerprint, trusted))

    def _on_encrypted_again(self, peer: str) -> None:
        self._publish(EncryptedAgain(peer))

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            if not self._connection.first.done():
                self._connection.first.set_exception(error)
            self._arrived.set()

    def _publish(self, event: Event) -> None:
        if isinstance(event, MessageReceived):
            self._arrived.set()
        self._events.publish(event)

    def _introduction(self, peer: str) -> str:
        """Our nickname if the peer may not know it yet, to send along with a message; else empty."""
        return "" if self._contacts.sees_us(peer) else self._nickname

    @property
    def _nickname(self) -> str:
        return self._db.get("nickname") or ""

    def _require_server(self) -> None:
        """Checks that the client is connected. Raises NotOnline."""
        if self.link is not Link.ONLINE:
            raise NotOnline("There is no connection to the server now.")
