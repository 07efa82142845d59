"""The part of `kith.client.Client` that waits for what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kith.client.addresses import bare
from kith.client.errors import NotOnline, NotSent, TimedOut
from kith.client.events import Listener, MessageChanged, MessageReceived
from kith.client.lifecycle import Lifecycle
from kith.client.message import Link, Message, State


class Waiting(Lifecycle):
    """Events, and waiting for single ones."""

    def events(self) -> Listener:
        """Everything that happens from now on (`kith.client.events`). Ends by itself when nobody holds it."""
        return self._events.listen()

    async def wait_for(self, message: Message, state: State, timeout: float | None = 30.0) -> Message:
        """Waits until one of our messages has reached a state, or a later one.

        Raises TimedOut after ``timeout`` seconds; NotSent as soon as the message has failed, unless that was
        waited for; NotOnline if the client is closed meanwhile.
        """
        with self.events() as events:
            current = self._history.get(message.row)
            async with _limit(timeout, f"The message to {message.peer} is not {state.value} yet."):
                while current.state is not state and current.state.rank < state.rank:
                    if current.state is State.FAILED:
                        raise NotSent(current.error or "It could not be sent.", current)
                    current = await self._next_change(events, message.row)
        return current

    async def _next_change(self, events: Listener, row: int) -> Message:
        async for event in events:
            if isinstance(event, MessageChanged) and event.message.row == row:
                return event.message
        raise NotOnline("The client was closed meanwhile.")

    async def next_message(self, peer: str, timeout: float | None = 60.0) -> Message:
        """Waits for the next readable message of a peer, from now on.

        It is also in `messages`. Raises TimedOut after ``timeout`` seconds (None: never), and NotOnline if
        the client is closed meanwhile.
        """
        peer = bare(peer)
        with self.events() as events:
            async with _limit(timeout, f"{peer} has not written yet."):
                async for event in events:
                    if isinstance(event, MessageReceived) and event.message.peer == peer:
                        message = event.message
                        if message.incoming and not message.error:
                            return message
        raise NotOnline("The client was closed meanwhile.")

    async def wait_online(self, timeout: float | None = 30.0) -> None:
        """Waits for the connection. Raises TimedOut, and NotOnline if the client is closed."""
        with self.events() as events:
            async with _limit(timeout, "There is no connection to the server yet."):
                while self.link is not Link.ONLINE:
                    if await anext(events, None) is None:
                        raise NotOnline("The client was closed meanwhile.")

    async def caught_up(self, timeout: float | None = 30.0) -> None:
        """Waits until the archive has been read since the last connect. Raises TimedOut."""
        async with _limit(timeout, "The archive has not been read yet."):
            await self._incoming.caught_up.wait()


@asynccontextmanager
async def _limit(timeout: float | None, late: str) -> AsyncIterator[None]:
    """Raises TimedOut with the text ``late`` after so many seconds."""
    try:
        async with asyncio.timeout(timeout) as scope:
            yield
    except TimeoutError:
        if scope.expired():
            raise TimedOut(late) from None
        raise
