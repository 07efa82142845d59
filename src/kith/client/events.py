"""The events of `Client.events`, and how they reach everybody who listens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from kith.client.message import Link, Message
from kith.client.status.values import Status

if TYPE_CHECKING:
    from kith.client.calls.call import Call


@dataclass(frozen=True, slots=True)
class Event:
    """The base class of all events."""


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A message is new in the history. A peer sent it, or we did, here or on another device."""

    message: Message


@dataclass(frozen=True, slots=True)
class StatusPosted(Event):
    """A contact, or a device of ours, has posted a status."""

    status: Status


@dataclass(frozen=True, slots=True)
class StatusDeleted(Event):
    """The author has deleted a status for everyone. ``status``: as it was."""

    status: Status


@dataclass(frozen=True, slots=True)
class StatusSeen(Event):
    """``viewer`` has seen a status: a contact one of ours, or a device of ours one of a contact."""

    status: Status
    viewer: str


@dataclass(frozen=True, slots=True)
class MessageChanged(Event):
    """The state of a message changed: it was sent, delivered or read, or it failed."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageEdited(Event):
    """A message has another text: its author, the peer or we, has edited it. ``before``: as it was."""

    message: Message
    before: Message


@dataclass(frozen=True, slots=True)
class MessageDeleted(Event):
    """A message was deleted for everyone by its author, the peer or us. ``before``: as it was."""

    message: Message
    before: Message


@dataclass(frozen=True, slots=True)
class ReactionsChanged(Event):
    """Somebody reacts differently to a message: the peer (``by_peer``), or we. See ``message.reactions``."""

    message: Message
    by_peer: bool


@dataclass(frozen=True, slots=True)
class ChangeRefused(Event):
    """An edit, a deletion or a reaction of ours could not be sent, or came back, and was taken back.

    ``message``: as it is now. ``reason``: for people. Not for a change whose call raised the reason.
    """

    message: Message
    reason: str


@dataclass(frozen=True, slots=True)
class MessageUnreadable(Event):
    """A peer's message can't be decrypted; ``message.error`` says why. Comes after its `MessageReceived`.

    ``asked``: the sender's device is asked to send it again. If it does, `MessageHealed` follows.
    """

    message: Message
    asked: bool


@dataclass(frozen=True, slots=True)
class MessageHealed(Event):
    """A message that could not be decrypted was sent again, and can be read now.

    ``message`` is new in the history and has the id and time of the undecryptable one, which was removed.
    `MessageReceived` follows for it.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class MediaProgress(Event):
    """A file of a message is on its way to the server (``uploading``), or to this device.

    ``done`` and ``total``: bytes; ``total`` is 0 if it is not known. A few times a second at most.
    """

    message: Message
    done: int
    total: int
    uploading: bool


@dataclass(frozen=True, slots=True)
class Typing(Event):
    """The peer is typing (``active``), or has stopped (XEP-0085). In a group: its member ``author``."""

    peer: str
    active: bool
    author: str = ""


@dataclass(frozen=True, slots=True)
class GroupChanged(Event):
    """A group has other members, another name or other settings. See `Client.group`.

    ``notice``: the message in its history that says what changed, by ``notice.change``; None if the group
    has only answered what it is.
    """

    group: str
    notice: Message | None = None


@dataclass(frozen=True, slots=True)
class HistoryGiven(Event):
    """An admin of a group has given us a message that was said before we came (``message.given_by``).

    It is in the history, and nothing that `Client.messages` yields.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class MessageExpired(Event):
    """The time of a message of a group is over (`Settings.expire`). It is not in the history any more."""

    message: Message


@dataclass(frozen=True, slots=True)
class KeysChanged(Event):
    """A peer that we know has a new key.

    ``trusted``: it is trusted blindly; otherwise it waits for the user's decision. ``fingerprint`` is empty
    if a device claims another key than it had before.
    """

    peer: str
    fingerprint: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class EncryptedAgain(Event):
    """A chat that was not encrypted, because the peer had no keys, is encrypted from now on."""

    peer: str


@dataclass(frozen=True, slots=True)
class ContactChanged(Event):
    """A peer's presence, name, subscription or number of unread messages has changed."""

    peer: str


@dataclass(frozen=True, slots=True)
class ContactRequest(Event):
    """Somebody asks to be a contact. Answer with `Client.accept` or `Client.decline`."""

    peer: str


@dataclass(frozen=True, slots=True)
class ConnectionChanged(Event):
    """The connection to the server has another state.

    ``retry_in``: seconds until the next attempt, while reconnecting. ``reason``: why the connection was lost,
    for people; may be empty.
    """

    link: Link
    retry_in: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CallRinging(Event):
    """Somebody calls. Answer with `Call.accept` or `Call.reject`; it rings for a minute at most."""

    call: Call


@dataclass(frozen=True, slots=True)
class CallChanged(Event):
    """A call has come further, or has ended: see ``call.state``."""

    call: Call


class Listener:
    """An async iterator over events, and a context manager that ends it.

    Ending it is optional: a listener that nobody holds any more gets no more events.
    """

    __slots__ = ("__weakref__", "_others", "_queue")

    def __init__(self, others: WeakSet[Listener]) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._others = others

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if event is None:
            self._queue.put_nowait(None)  # for the next call
            raise StopAsyncIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, event: Event) -> None:
        """Adds an event for the iteration to yield."""
        self._queue.put_nowait(event)

    def close(self) -> None:
        """Ends the iteration after the events that are there already."""
        self._others.discard(self)
        self._queue.put_nowait(None)


class Broadcast:
    """Gives each event to all listeners. Each has a queue of its own."""

    __slots__ = ("_closed", "_listeners")

    def __init__(self) -> None:
        self._listeners: WeakSet[Listener] = WeakSet()
        self._closed = False

    def publish(self, event: Event) -> None:
        """Gives an event to all present listeners."""
        for listener in list(self._listeners):
            listener.put(event)

    def close(self) -> None:
        """Ends all iterations, also of listeners that come later, until `reopen`."""
        self._closed = True
        for listener in list(self._listeners):
            listener.close()

    def reopen(self) -> None:
        """Lets new listeners get events again, after `close`."""
        self._closed = False

    def listen(self) -> Listener:
        """A listener for all events from this call on."""
        listener = Listener(self._listeners)
        if self._closed:
            listener.close()
        else:
            self._listeners.add(listener)
        return listener

    @property
    def listeners(self) -> int:
        """How many listeners there are."""
        return len(self._listeners)
