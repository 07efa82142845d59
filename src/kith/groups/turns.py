"""Lets one thing at a time happen in each group, in the order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class Turns:
    """Who waits for each group, by the group's address."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def busy(self, group: str) -> bool:
        """Whether something is being done in a group."""
        return group in self._waiting

    def take(self, group: str, work: Callable[[], Awaitable[_T]]) -> Coroutine[Any, Any, _T]:
        """Runs ``work`` after everything for which this was called before.

        What this returns has to be awaited.
        """
        waiting = self._waiting.get(group)
        turn: asyncio.Future[None] | None = None
        if waiting is None:
            self._waiting[group] = deque()
        else:
            turn = asyncio.get_running_loop().create_future()
            waiting.append(turn)
        return self._run(group, turn, work)

    async def _run(
        self, group: str, turn: asyncio.Future[None] | None, work: Callable[[], Awaitable[_T]]
    ) -> _T:
        try:
            if turn is not None:
                await turn
            return await work()
        finally:
            if turn is None or (turn.done() and not turn.cancelled()):
                self._next(group)
            else:  # it was cancelled while it waited: others go on after those before it
                turn.cancel()

    def _next(self, group: str) -> None:
        waiting = self._waiting[group]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[group]
