"""What happens to a client, for those who want more than messages: `Client.events`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

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


class Broadcast:
    """Hands each event to all who listen, in order; each has a queue of their own."""

    __slots__ = ("_closed", "_queues")

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Event | None]] = set()
        self._closed = False

    def publish(self, event: Event) -> None:
        for queue in self._queues:
            queue.put_nowait(event)

    def close(self) -> None:
        """Ends all iterations."""
        self._closed = True
        for queue in self._queues:
            queue.put_nowait(None)

    def listen(self) -> AsyncIterator[Event]:
        """Events from this call on (not only from the first step of the iteration)."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._queues.add(queue)
        if self._closed:
            queue.put_nowait(None)
        return self._iterate(queue)

    async def _iterate(self, queue: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)
