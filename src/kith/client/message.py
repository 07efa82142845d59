"""The values that the SDK hands out: messages, chats, fingerprints, and their states."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol


class State(Enum):
    """How far a message came. For one of ours: queued, sent, delivered, read, or failed."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    RECEIVED = "received"

    @property
    def rank(self) -> int:
        """Marks only ever go up."""
        return _RANKS.index(self)


_RANKS = (State.QUEUED, State.FAILED, State.RECEIVED, State.SENT, State.DELIVERED, State.READ)


class Trust(Enum):
    """What is known of the device that a message came from, or of a fingerprint."""

    PLAIN = "plain"
    """Not encrypted: nothing is known."""
    UNDECIDED = "undecided"
    """A new device of somebody whose other devices were verified. Compare its fingerprint."""
    BLIND = "blind"
    """Trusted on first sight, never compared."""
    VERIFIED = "verified"
    DISTRUSTED = "distrusted"

    @property
    def sound(self) -> bool:
        """Whether a message of such a device can be taken for its peer's."""
        return self in (Trust.BLIND, Trust.VERIFIED)


class Link(Enum):
    """The connection to the server."""

    CONNECTING = "connecting"
    ONLINE = "online"
    RECONNECTING = "reconnecting"
    OFFLINE = "offline"


class Replies(Protocol):
    """What a message asks of its client."""

    async def send(self, peer: str, body: str, *, encrypted: bool | None = None) -> Message: ...
    async def mark_read(self, peer: str, upto: Message | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the history, as it was when it was handed out.

    ``peer``: the other side's bare address. ``incoming``: from the peer; else from us, here or on
    another device of ours. ``id``: the XEP-0359 origin id, which is the stanza's id too. ``time``: in
    UTC, of its writing as far as known. ``row``: its place in the local history. ``error``: why
    there is no body, or why it failed.
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
    """Written on this device."""
    origin: str | None = None
    """The sender's own id of it (XEP-0359), if there is one."""
    client: Replies | None = field(default=None, repr=False, compare=False)

    async def reply(self, body: str) -> Message:
        """Answers the peer, encrypted if this message was, and marks the chat as read up to here."""
        if self.client is None:
            raise ValueError("This message does not belong to a client.")
        await self.client.mark_read(self.peer, self)
        return await self.client.send(self.peer, body, encrypted=None if self.encrypted else False)

    async def read(self) -> None:
        """Tells the peer that it was displayed (XEP-0333), with all before it."""
        if self.client is None:
            raise ValueError("This message does not belong to a client.")
        await self.client.mark_read(self.peer, self)


@dataclass(frozen=True, slots=True)
class Chat:
    """A line of the chat list. ``plain``: the user chose to write unencrypted here.

    ``name``: what the user calls the peer. ``nickname``: what the peer calls itself, which may be anything.
    ``written``: the user has written to the peer. ``accepted``: the peer may learn when the user is there and
    has read; until then it is a request.
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
        """The user's own name for the peer; else the peer's, marked as such, with the address; else that."""
        if self.name:
            return self.name
        return f"~{self.nickname} ({self.peer})" if self.nickname else self.peer


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """An identity key of a peer's device. ``text``: 64 hexadecimal digits, as other OMEMO clients show it."""

    peer: str
    text: str
    device: int
    trust: Trust
    active: bool

    @property
    def pretty(self) -> str:
        """In groups of eight, to read aloud."""
        return " ".join(self.text[at : at + 8] for at in range(0, len(self.text), 8))
