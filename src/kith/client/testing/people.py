"""People who talk to the program under test."""

from __future__ import annotations

import asyncio

from kith.client.client import Client
from kith.client.message import Message


class Person:
    """A person with a client of their own, who writes to one ``peer``."""

    def __init__(self, client: Client, peer: str) -> None:
        self.client = client
        self.peer = peer
        self._messages = client.messages()
        self._next: asyncio.Task[Message] | None = None

    @property
    def jid(self) -> str:
        """The person's address."""
        return self.client.jid

    async def send(self, body: str, *, encrypted: bool | None = None) -> Message:
        """Writes to the program."""
        return await self.client.send(self.peer, body, encrypted=encrypted)

    async def receives(self, timeout: float = 10.0) -> Message:
        """The next message of the program that was not received yet. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                message = await self._following()
                if message.incoming and message.peer == self.peer:
                    return message

    async def receives_nothing(self, seconds: float = 0.5) -> None:
        """Waits, and raises AssertionError if a message of the program comes."""
        try:
            message = await self.receives(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"{self.peer} has written: {message.body}")

    async def _following(self) -> Message:
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._messages))
        message = await asyncio.shield(self._next)  # the iterator outlives a timeout
        self._next = None
        return message
