"""The values that the SDK works with: messages, chats, fingerprints, and their states."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol


class State(Enum):
    """How far a message got. Ours are queued, sent, delivered, read or failed; a peer's are received."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    RECEIVED = "received"

    @property
    def rank(self) -> int:
        """The order of states. A message's state only ever moves up."""
        return _RANKS.index(self)


_RANKS = (State.QUEUED, State.FAILED, State.RECEIVED, State.SENT, State.DELIVERED, State.READ)


class Trust(Enum):
    """How much the device is trusted that a message came from, or that a fingerprint belongs to."""

    PLAIN = "plain"
    """The message was not encrypted, so nothing is known of its device."""
    UNDECIDED = "undecided"
    """A new device of somebody whose other devices were verified. Its fingerprint should be compared."""
    BLIND = "blind"
    """Trusted on first use; its fingerprint was never compared."""
    VERIFIED = "verified"
    """The user has compared its fingerprint."""
    DISTRUSTED = "distrusted"
    """The user has rejected it."""

    @property
    def sound(self) -> bool:
        """Whether a message from such a device can be taken for its peer's."""
        return self in (Trust.BLIND, Trust.VERIFIED)


class Link(Enum):
    """The state of the connection to the server."""

    CONNECTING = "connecting"
    ONLINE = "online"
    RECONNECTING = "reconnecting"
    OFFLINE = "offline"


class Replies(Protocol):
    """What a message needs of its client, so that it can be replied to."""

    async def send(self, peer: str, body: str, *, encrypted: bool | None = None) -> Message: ...
    async def mark_read(self, peer: str, upto: Message | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the history. It does not change; `MessageChanged` events bring newer values.

    ``row``: its place in the local history. ``peer``: the bare address of the other side. ``id``: the id of
    the stanza, usually equal to its origin id. ``incoming``: sent by the peer; otherwise by us, on this
    device or another one. ``time``: when it was sent as far as is known, in UTC. ``error``: why there is no
    body, or why it failed; for people. ``here``: it was written on this device. ``origin``: the origin id
    (XEP-0359), if there is one.
    """

    row: int
    peer: str
    id: str
    body: str
    incoming: bool
    encrypted: bool
    trust: Trust
    time: datetime
    state: State
    error: str | None = None
    here: bool = False
    origin: str | None = None
    client: Replies | None = field(default=None, repr=False, compare=False)

    async def reply(self, body: str) -> Message:
        """Replies to the peer, encrypted if this message was, and marks the chat as read up to here.

        Raises what `Client.send` raises.
        """
        if self.client is None:
            raise ValueError("This message does not belong to a client.")
        await self.client.mark_read(self.peer, self)
        return await self.client.send(self.peer, body, encrypted=None if self.encrypted else False)

    async def read(self) -> None:
        """Marks this message and all before it as read, and tells the peer (XEP-0333)."""
        if self.client is None:
            raise ValueError("This message does not belong to a client.")
        await self.client.mark_read(self.peer, self)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is in the history. The fields are those of `Message`, and some for storage alone.

    ``archive``: its id in our archive. ``markable``: its sender wants to know when it was read. ``digest``:
    of its content on the wire (`stanzas.digest`). ``device``: the OMEMO device id of its sender.
    """

    peer: str
    id: str
    body: str
    incoming: bool
    encrypted: bool
    trust: Trust
    time: datetime
    state: State
    origin: str | None = None
    archive: str | None = None
    markable: bool = False
    error: str | None = None
    here: bool = False
    digest: str | None = None
    device: int | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation with one peer, as a chat list shows it.

    ``name``: the user's own name for the peer. ``nickname``: the name that the peer has chosen, which may
    be anything. ``plain``: the user chose not to encrypt. ``keys_changed``: the user has not yet seen that
    the peer has new keys. ``written``: the user has written to the peer. ``accepted``: the peer may learn
    when the user is online and has read; if not, this is a message request.
    """

    peer: str
    name: str
    unread: int
    last: Message | None
    plain: bool
    keys_changed: bool
    nickname: str = ""
    written: bool = False
    accepted: bool = True

    @property
    def title(self) -> str:
        """The user's name for the peer; else ``~nickname (address)``; else the address."""
        if self.name:
            return self.name
        return f"~{self.nickname} ({self.peer})" if self.nickname else self.peer


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity key of a device. ``text``: 64 hexadecimal digits, as other OMEMO clients show them.

    ``device`` is the OMEMO device id. ``active``: it is in the account's device list.
    """

    peer: str
    text: str
    device: int
    trust: Trust
    active: bool

    @property
    def pretty(self) -> str:
        """The digits in groups of eight, to read aloud."""
        return " ".join(self.text[at : at + 8] for at in range(0, len(self.text), 8))
