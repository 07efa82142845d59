"""The values that the SDK works with: messages, chats, fingerprints, and their states."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from kith.client.groups.values import Change, Group, Mention, Poll, Receipts
from kith.client.media.values import Media, Place, Progress
from kith.client.presence import Presence
from kith.client.status.values import StatusQuote


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


class Kind(Enum):
    """What a message does. Texts are in the history, and notices in that of groups; others change one."""

    TEXT = "text"
    EDIT = "edit"
    """Replaces the text of an earlier message (XEP-0308)."""
    DELETION = "deletion"
    """Deletes an earlier message for everyone (XEP-0424)."""
    REACTION = "reaction"
    """Sets the emoji with which its author reacts to a message (XEP-0444)."""
    VOTE = "vote"
    """Chooses options of a poll in a group."""
    CLOSE = "close"
    """Closes a poll in a group."""
    PIN = "pin"
    """Pins a message in a group, or takes that back."""
    HEARD = "heard"
    """Says that a voice message was listened to. Only Kith's apps know it."""
    CAPTION = "caption"
    """Repeats the caption of a file as a text, for other apps."""
    NOTICE = "notice"
    """Something changed in a group: see ``Message.change``. In the history of groups beside the texts."""


class Replies(Protocol):
    """What a message needs of its client, so that it can be replied to and changed."""

    jid: str

    async def send(
        self, peer: str, body: str, *, encrypted: bool | None = None, reply_to: Message | None = None
    ) -> Message: ...
    async def mark_read(self, peer: str, upto: Message | None = None) -> None: ...
    async def edit(self, message: Message, body: str) -> Message: ...
    async def delete(self, message: Message) -> Message: ...
    async def react(self, message: Message, *emojis: str) -> Message: ...
    async def forward(self, message: Message, peer: str) -> Message: ...
    async def heard(self, message: Message) -> Message: ...
    async def save_media(
        self, media: Media, path: Path | str, progress: Progress | None = None, rendition: str = ""
    ) -> Path: ...
    def stream_media(self, media: Media, rendition: str = "") -> AsyncIterator[bytes]: ...
    async def send_file(
        self,
        peer: str,
        path: Path | str,
        *,
        caption: str = "",
        as_document: bool = False,
        high_quality: bool = False,
        once: bool = False,
        encrypted: bool | None = None,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> Message: ...
    async def send_voice(
        self,
        peer: str,
        path: Path | str,
        *,
        encrypted: bool | None = None,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> Message: ...
    async def send_album(
        self,
        peer: str,
        paths: Sequence[Path | str],
        *,
        captions: Sequence[str] = (),
        high_quality: bool = False,
        encrypted: bool | None = None,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> list[Message]: ...
    async def send_location(self, peer: str, place: Place) -> Message: ...
    async def send_contact(self, peer: str, card: str) -> Message: ...


@dataclass(frozen=True, slots=True)
class Reactions:
    """The emoji with which we and the peer react to a message.

    ``people``: in a group, how each of the others has reacted, as (address, emoji); ``theirs`` are all these.
    """

    ours: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    people: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ours or self.theirs)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the history. It does not change; `MessageChanged` events bring newer values.

    ``row``: its place in the local history. ``peer``: the bare address of the other side. ``id``: the id of
    the stanza, usually equal to its origin id. ``incoming``: sent by the peer; otherwise by us, on this
    device or another one. ``time``: when it was sent as far as is known, in UTC. ``error``: why there is no
    body, or why it failed; for people. ``here``: it was written on this device. ``origin``: the origin id
    (XEP-0359), if there is one. ``reply_to``: the id of the message that it answers (XEP-0461), if it answers
    one. ``edited``: its author has changed the text. ``deleted``: its author has deleted it for everyone, and
    the body is empty. ``kind`` and ``about``: only in the outbox, for a change: what it does, and the id of
    the message that it changes. ``author``: the bare address of who wrote it. ``media``: the file, card or
    location that it brings; the body is its caption then, which is mostly empty.

    In a group, ``peer`` is its address, and ``group`` is true. ``mentions``: who is meant by parts of the
    text. ``poll``: the question that it asks. ``change``: what happened, if it is a notice, which has no
    text. ``receipts``: how many members have a message of ours. ``given_by``: the admin whose device has
    given it to us, if it was said before we came; that it is what its author wrote is their word.
    ``status``: the status that it answers or reacts to, which may have gone.
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
    reply_to: str | None = None
    edited: bool = False
    deleted: bool = False
    reactions: Reactions = Reactions()
    kind: Kind = Kind.TEXT
    about: str | None = None
    author: str = ""
    group: bool = False
    mentions: tuple[Mention, ...] = ()
    poll: Poll | None = None
    change: Change | None = None
    receipts: Receipts | None = None
    given_by: str = ""
    media: Media | None = None
    status: StatusQuote | None = None
    client: Replies | None = field(default=None, repr=False, compare=False)

    async def reply(self, body: str, *, quote: bool = False) -> Message:
        """Replies to the peer, encrypted if this message was, and marks the chat as read up to here.

        ``quote``: as a reply to this very message, which apps show above the text. Raises what `Client.send`
        raises.
        """
        await self._owner.mark_read(self.peer, self)
        return await self._owner.send(
            self.peer,
            body,
            encrypted=None if self.encrypted else False,
            reply_to=self if quote else None,
        )

    async def read(self) -> None:
        """Marks this message and all before it as read, and tells the peer (XEP-0333)."""
        await self._owner.mark_read(self.peer, self)

    async def edit(self, body: str) -> Message:
        """Replaces the text of this message, which has to be ours. See `Client.edit`."""
        return await self._owner.edit(self, body)

    async def delete(self) -> Message:
        """Deletes this message for everyone; it has to be ours. See `Client.delete`."""
        return await self._owner.delete(self)

    async def react(self, *emojis: str) -> Message:
        """Reacts to this message; without an emoji, takes the reaction back. See `Client.react`."""
        return await self._owner.react(self, *emojis)

    async def forward(self, peer: str) -> Message:
        """Sends this message to somebody else. A file is not uploaded again. See `Client.forward`."""
        return await self._owner.forward(self, peer)

    async def heard(self) -> Message:
        """Tells the sender of this voice message that it was listened to. See `Client.heard`."""
        return await self._owner.heard(self)

    def mentions_me(self) -> bool:
        """Whether the text mentions us, or everybody."""
        return self.incoming and any(one.jid in ("", self._owner.jid) for one in self.mentions)

    @property
    def _owner(self) -> Replies:
        if self.client is None:
            raise ValueError("This message does not belong to a client.")
        return self.client


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is in the history. The fields are those of `Message`, and some for storage alone.

    ``archive``: its id in our archive. ``markable``: its sender wants to know when it was read. ``digest``:
    of its content on the wire (`stanzas.digest`). ``device``: the OMEMO device id of its sender.
    ``replaces``: the id of our reaction that a new one replaces. ``extra``: the JSON of what it has besides
    text. In groups, ``author`` is who wrote it, ``place`` where it is in the order of the group, and
    ``expires`` when it has to disappear, in seconds since 1970.
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
    kind: Kind = Kind.TEXT
    about: str | None = None
    reply_to: str | None = None
    replaces: str | None = None
    author: str | None = None
    place: str | None = None
    extra: str | None = None
    expires: float | None = None

    def with_id(self, id: str) -> Draft:
        """This message of ours as it is sent from here, under an id of its own."""
        return replace(self, id=id, origin=id, here=True)


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation with one peer, as a chat list shows it.

    ``name``: the user's own name for the peer. ``nickname``: the name that the peer has chosen, which may
    be anything. ``plain``: the user chose not to encrypt. ``keys_changed``: the user has not yet seen that
    the peer has new keys. ``encrypted_again``: nor that the chat, which was plain because the peer had no
    keys, is encrypted again. ``written``: the user has written to the peer. ``accepted``: the peer may learn
    when the user is online and has read; if not, this is a message request. ``group``: the group, if it is
    one.
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
    group: Group | None = None
    encrypted_again: bool = False
    client: Replies | None = field(default=None, repr=False, compare=False)

    async def send(self, body: str, *, reply_to: Message | None = None) -> Message:
        """Sends a text. See `Client.send`."""
        return await self._owner.send(self.peer, body, reply_to=reply_to)

    async def send_file(
        self,
        path: Path | str,
        *,
        caption: str = "",
        as_document: bool = False,
        high_quality: bool = False,
        once: bool = False,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> Message:
        """Sends a file. See `Client.send_file`."""
        return await self._owner.send_file(
            self.peer,
            path,
            caption=caption,
            as_document=as_document,
            high_quality=high_quality,
            once=once,
            reply_to=reply_to,
            progress=progress,
        )

    async def send_album(
        self,
        paths: Sequence[Path | str],
        *,
        captions: Sequence[str] = (),
        high_quality: bool = False,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> list[Message]:
        """Sends pictures and videos as one. See `Client.send_album`."""
        return await self._owner.send_album(
            self.peer,
            paths,
            captions=captions,
            high_quality=high_quality,
            reply_to=reply_to,
            progress=progress,
        )

    @property
    def _owner(self) -> Replies:
        if self.client is None:
            raise ValueError("This chat does not belong to a client.")
        return self.client

    @property
    def title(self) -> str:
        """The group's name, or the user's for the peer; else ``~nickname (address)``; else the address."""
        if self.group is not None:
            return self.group.title
        if self.name:
            return self.name
        return f"~{self.nickname} ({self.peer})" if self.nickname else self.peer


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody in the roster.

    ``name``: our own name for them, which may be empty. ``sees_us``: they see when we are online.
    ``shows_us``: we see when they are. ``asked``: we have asked for that, and they have not answered.
    ``presence``: what they show now.
    """

    peer: str
    name: str
    sees_us: bool
    shows_us: bool
    asked: bool
    presence: Presence


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
