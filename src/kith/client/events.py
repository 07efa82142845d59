"""What happens to a client, for those who want more than messages: `Client.events`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self
from weakref import WeakSet

from kith.client.message import Link, Message


@dataclass(frozen=True, slots=True)
class Event:
    """The root of the events."""


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A message is new in the history: from a peer, or written by us, here or on another device."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageChanged(Event):
    """A message's state went up: sent, delivered, read; or it failed."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageUnreadable(Event):
    """A peer's message can't be read (``message.error`` says why); it follows its `MessageReceived`.

    ``asked``: its sender's device is asked to send it again. `MessageHealed` tells when it has.
    """

    message: Message
    asked: bool


@dataclass(frozen=True, slots=True)
class MessageHealed(Event):
    """What could not be read has come once more, as a new message with the id and time of the first.

    The one that could not be read is gone; `MessageReceived` follows for the new one.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class Typing(Event):
    """XEP-0085: the peer writes, or has stopped."""

    peer: str
    active: bool


@dataclass(frozen=True, slots=True)
class KeysChanged(Event):
    """A peer that we knew has a new key. ``trusted``: taken on sight, or waiting for a decision."""

    peer: str
    fingerprint: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class ContactChanged(Event):
    """A peer's presence, name, subscription or unread count is another."""

    peer: str


@dataclass(frozen=True, slots=True)
class ContactRequest(Event):
    """Somebody asks to see our presence: `Client.accept` or `Client.decline`."""

    peer: str


@dataclass(frozen=True, slots=True)
class ConnectionChanged(Event):
    """``retry_in``: seconds until the next try, when offline. ``reason``: for a person, may be empty."""

    link: Link
    retry_in: float = 0.0
    reason: str = ""


class Listener:
    """An async iterator of events, each once, in order. Also a context manager, which ends it.

    It need not be ended: the broadcast forgets a listener that nobody holds any more.
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
            self._queue.put_nowait(None)  # for whoever asks again
            raise StopAsyncIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hear(self, event: Event) -> None:
        self._queue.put_nowait(event)

    def close(self) -> None:
        """Nothing comes any more: the iteration ends after what has come."""
        self._others.discard(self)
        self._queue.put_nowait(None)


class Broadcast:
    """Hands each event to all who listen, in order; each has a queue of their own."""

    __slots__ = ("_closed", "_listeners")

    def __init__(self) -> None:
        self._listeners: WeakSet[Listener] = WeakSet()
        self._closed = False

    def publish(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener.hear(event)

    def close(self) -> None:
        """Ends all iterations."""
        self._closed = True
        for listener in list(self._listeners):
            listener.close()

    def reopen(self) -> None:
        """After `close`: events flow again, to new listeners."""
        self._closed = False

    def listen(self) -> Listener:
        """Events from this call on (not only from the first step of the iteration)."""
        listener = Listener(self._listeners)
        if self._closed:
            listener.close()
        else:
            self._listeners.add(listener)
        return listener

    @property
    def listeners(self) -> int:
        return len(self._listeners)
