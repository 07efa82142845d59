"""One piece of work with keys at a time, undone if the session that it needs ends in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from kith.client.database import Database

_T = TypeVar("_T")


class Interrupted(Exception):
    """The session ended in the middle: nothing of it was kept, do it again in the next one."""


class Turn:
    """Runs work with keys one after the other. The worker commits; what is interrupted is rolled back."""

    __slots__ = ("_db", "_interrupted", "_lock", "_task")

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._interrupted = False

    async def take(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of the work, when it was its turn. Raises Interrupted, and what the work raises."""
        try:
            await self._lock.acquire()
        except BaseException:
            work.close()  # cancelled before its turn: it was never begun
            raise
        try:
            return await self._run(work)
        finally:
            self._lock.release()

    async def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        self._interrupted = False
        task: asyncio.Task[_T] = asyncio.create_task(work)
        self._task = task
        try:
            return await task
        except asyncio.CancelledError:
            self._db.sql.rollback()
            if self._interrupted:
                raise Interrupted from None
            task.cancel()
            raise
        except Interrupted:
            self._db.sql.rollback()
            raise
        finally:
            self._task = None

    def interrupt(self) -> None:
        """Ends the work at hand: the answers that it waits for will never come."""
        if self._task is not None:
            self._interrupted = True
            self._task.cancel()
