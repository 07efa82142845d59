"""The client: one account on this device. `kith.client` shows the shortest program."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from kith.client import profile, sendable
from kith.client.addresses import bare
from kith.client.errors import NotOnline, NotSent
from kith.client.events import ContactChanged, Listener, MessageChanged, MessageReceived
from kith.client.key_work import Interrupted
from kith.client.lifecycle import Lifecycle
from kith.client.message import Chat, Draft, Fingerprint, Link, Message, Replies, State, Trust
from kith.client.profile import Profile
from kith.client.stanzas import chat_state

_T = TypeVar("_T")


class Client(Lifecycle):
    """An account on this device. As an async context manager it connects, and stays connected.

    Without a ``password`` it logs in as the device that `kith login` or `kith link` has set up here.
    ``data``: folder for keys and history. ``host`` and ``port``: the server; by default KITH_HOST and
    KITH_PORT of the environment, else what DNS says. ``direct_tls``: TLS from the first byte instead of
    STARTTLS, by default on port 5223. ``insecure``: no TLS, for tests on loopback addresses. ``pin``: the
    SHA-256 fingerprint of a self-signed certificate; without it, the first one seen is remembered.
    ``auto_accept``: accept every contact request.

    Entering raises LoginFailed, CertificateInvalid, CertificateChanged, AccountInUse, and
    ServerUnreachable if this account was never online here. If it was, it can start offline.
    """

    def _replies(self) -> Replies:
        return self

    # writing

    async def send(self, peer: str, body: str, *, encrypted: bool | None = None) -> Message:
        """Sends a text. Returns once it is on the wire or, without a connection, stored in the outbox.

        If the call is cancelled while it waits, the message stays in the outbox and is sent all the same.
        ``encrypted``: by default as the chat is set, which is True unless the user changed it
        (`set_plain`). Raises PeerHasNoDevices and NoTrustedDevices (the message is then stored as failed),
        TooLarge (see `largest_text`) and BadCharacters (nothing is stored), and ValueError.
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
        await self._outbox.wait_until_sent(message)
        return self._history.get(message.row)

    async def resend(self, message: Message) -> Message:
        """Sends a failed message once more, under a new id. Raises what `send` raises.

        Does nothing if the message has not failed.
        """
        current = self._history.get(message.row)
        if current.state is not State.FAILED:
            return current
        sendable.check_text(current.body, current.encrypted, self._stream.max_bytes)
        again = self._history.requeue(current, str(uuid.uuid4()))
        self._db.commit()
        self._outbox.requeued(again)
        self._publish(MessageChanged(again))
        await self._outbox.wait_until_sent(again)
        return self._history.get(message.row)

    def largest_text(self, encrypted: bool = True) -> int:
        """How many bytes of UTF-8 a message to this server may have."""
        return sendable.largest_text(encrypted, self._stream.max_bytes)

    async def typing(self, peer: str, active: bool = True) -> None:
        """Tells the peer that we are typing, or have stopped (XEP-0085).

        Does nothing while offline, or if the peer is a stranger who was not accepted.
        """
        peer = bare(peer)
        if self.link is Link.ONLINE and self.accepted(peer):
            stanza = self._stream.make_message(peer, mtype="chat")
            for child in chat_state(active):
                stanza.append(child)
            stanza.send()

    async def mark_read(self, peer: str, upto: Message | None = None) -> None:
        """Marks a chat as read, up to a message or as a whole, and tells the peer (XEP-0333).

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
        """Every readable message of peers and of our other devices: once, in order, also across restarts.

        What arrived while nobody iterated comes first. A message counts as handled when the next one is
        asked for.
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
        """Everything that happens from now on (`kith.client.events`). Ends by itself when nobody holds it."""
        return self._events.listen()

    async def wait_for(self, message: Message, state: State, timeout: float = 30.0) -> Message:
        """Waits until one of our messages has reached a state, or a later one.

        Raises TimeoutError after ``timeout`` seconds; NotSent as soon as the message has failed, unless
        that was waited for; NotOnline if the client is closed meanwhile.
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
        """Waits for the connection. Raises TimeoutError, and NotOnline if the client is closed."""
        with self.events() as events:
            async with asyncio.timeout(timeout):
                while self.link is not Link.ONLINE:
                    if await anext(events, None) is None:
                        raise NotOnline("The client was closed meanwhile.")

    async def caught_up(self, timeout: float = 30.0) -> None:
        """Waits until the archive has been read since the last connect. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._incoming.caught_up.wait()

    def history(self, peer: str, before: Message | None = None, limit: int = 50) -> list[Message]:
        """The newest messages with a peer, or those before a message, oldest first. Reads the local copy."""
        return self._history.page(bare(peer), before, limit)

    def search(self, text: str, limit: int = 50) -> list[Message]:
        """The messages of the local copy that contain the text, newest first."""
        return self._history.search(text, limit)

    def chats(self) -> list[Chat]:
        """All chats and contacts, the one with the newest message first."""
        return [replace(chat, accepted=self.accepted(chat.peer)) for chat in self._history.chats()]

    def chat(self, peer: str) -> Chat:
        """The chat with a peer; an empty one if there is none yet."""
        chat = self._history.chat(bare(peer))
        return replace(chat, accepted=self.accepted(chat.peer))

    def queued(self) -> int:
        """How many messages the server has not acknowledged yet."""
        return self._history.count_queued()

    # keys

    async def fingerprints(self, peer: str | None = None) -> list[Fingerprint]:
        """The identity keys of a peer's devices, or our own (this device first). Raises NotOnline."""
        self._require_server()
        found = await self._with_keys(self._encryption.fingerprints(bare(peer) if peer else self.jid))
        self._db.commit()
        return found

    async def verify(self, peer: str, fingerprint: str) -> None:
        """Trusts a key whose fingerprint was compared with the peer. Raises KeyError, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.VERIFIED)

    async def trust(self, peer: str, fingerprint: str) -> None:
        """Trusts a key without a comparison. Raises KeyError, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.BLIND)

    async def distrust(self, peer: str, fingerprint: str) -> None:
        """Never encrypts for this device again, and flags what it sends. Raises KeyError, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.DISTRUSTED)

    async def _set_trust(self, peer: str, fingerprint: str, level: Trust) -> None:
        self._require_server()
        await self._with_keys(self._encryption.set_trust(bare(peer), fingerprint, level))
        self._db.commit()
        self._healing.wake()

    async def _with_keys(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await self._key_work.run(work)
        except Interrupted:
            raise NotOnline("The connection to the server was lost meanwhile.") from None

    def keys_seen(self, peer: str) -> None:
        """Notes that the user has read the warning about the peer's new keys."""
        self._history.update_chat(bare(peer), keys_changed=False)
        self._db.commit()

    def set_plain(self, peer: str, plain: bool) -> None:
        """Sets whether messages of a chat go out unencrypted from now on."""
        self._history.update_chat(bare(peer), plain=plain)
        self._db.commit()

    # contacts and the connection

    def requests(self) -> list[str]:
        """The addresses of people who ask to be a contact and were not answered."""
        return list(self._contacts.requests)

    async def accept(self, peer: str) -> None:
        """Lets the peer see when we are online and what we have read, and asks the same. Raises NotOnline."""
        self._require_server()
        peer = bare(peer)
        self._contacts.accept(peer, self._nickname)
        self._history.note_written(peer)
        self._db.commit()
        self._outbox.wake()
        self._healing.wake()
        self._publish(ContactChanged(peer))

    async def decline(self, peer: str) -> None:
        """Refuses a contact request. Raises NotOnline."""
        self._require_server()
        self._contacts.decline(bare(peer))

    async def block(self, peer: str, report: bool = False) -> None:
        """Blocks a peer (XEP-0191). ``report``: also reports them to the operator as spam (XEP-0377).

        Raises NotOnline, and Refused if the server refuses.
        """
        self._require_server()
        peer = bare(peer)
        await self._contacts.block(peer, report)
        self._publish(ContactChanged(peer))

    async def add_contact(self, peer: str, name: str = "") -> None:
        """Adds a peer to the roster and asks to see when they are online.

        Raises NotOnline, and ValueError (BadCharacters for the name).
        """
        self._require_server()
        peer = bare(peer)
        if name:
            sendable.check_characters(name)
            await self._contacts.rename(peer, name)
            self._history.update_chat(peer, name=name)
            self._db.commit()
        self._contacts.add(peer, self._nickname)

    async def profile(self, peer: str | None = None) -> Profile:
        """The profile of a peer, as far as we may see it, or our own. Raises NotOnline, ValueError."""
        self._require_server()
        return await profile.read(self._stream, bare(peer) if peer else self.jid)

    async def set_profile(self, shown: Profile) -> None:
        """Publishes our profile.

        Raises NotOnline, and ValueError for a text or picture that is not allowed.
        """
        self._require_server()
        sendable.check_characters(shown.name + shown.about)
        await profile.write(self._stream, shown)
        self._db.set("nickname", shown.name)
        self._db.commit()

    def online(self, peer: str) -> bool:
        """Whether the peer is known to be online."""
        return self._contacts.online(bare(peer))

    def name(self, peer: str, name: str) -> None:
        """Sets our own name for a peer, on this device. An empty name only creates the chat."""
        self._history.update_chat(bare(peer), **({"name": name} if name else {}))
        self._db.commit()

    def reconnect(self) -> None:
        """Tries to connect now instead of waiting for the next attempt."""
        self._connection.retry_now()
