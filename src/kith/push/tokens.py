"""Tokens by which the server identifies itself to a push service, kept until they are old or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kith.base.clock import Clock


class Tokens:
    """A token that many pushes use. ``make`` makes one, and says in how many seconds the next is needed.

    A service may call a token expired before that, for example because a clock is wrong. Then it is renewed
    once, however many pushes were refused with it, and not again for ``pause`` seconds: services punish
    those who make many.
    """

    def __init__(self, make: Callable[[], Awaitable[tuple[str, float]]], clock: Clock, pause: float) -> None:
        self._make = make
        self._clock = clock
        self._pause = pause
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0
        self._renewed = -pause

    async def get(self) -> str:
        """The token. Raises what ``make`` raises."""
        async with self._lock:
            if not self._token or self._clock.steady() >= self._until:
                await self._renew()
            return self._token

    async def after(self, refused: str) -> str | None:
        """The token to use in place of one that was refused; None if there is none yet."""
        async with self._lock:
            if self._token != refused:
                return self._token
            now = self._clock.steady()
            if now - self._renewed < self._pause:
                return None
            self._renewed = now
            await self._renew()
            return self._token

    async def _renew(self) -> None:
        self._token, seconds = await self._make()
        self._until = self._clock.steady() + seconds
