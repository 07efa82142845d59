"""Runs work with keys one piece at a time, and undoes it if the connection is lost in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from kith.client.database import Database

_T = TypeVar("_T")


class Interrupted(Exception):
    """The connection was lost during the work. None of it was kept: repeat it with the next connection."""


class KeyWork:
    """Runs coroutines that change keys one after the other.

    The coroutine, or its caller, commits. If it is cancelled or interrupted, what it wrote is rolled back.
    """

    __slots__ = ("_db", "_interrupted", "_lock", "_task")

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._interrupted = False

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Waits until earlier work is done, then returns the result of ``work``.

        Raises Interrupted, and whatever the work raises.
        """
        try:
            await self._lock.acquire()
        except BaseException:
            work.close()  # it was cancelled before it began
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
            self._db.rollback()
            if self._interrupted:
                raise Interrupted from None
            task.cancel()
            raise
        except Interrupted:
            self._db.rollback()
            raise
        finally:
            self._task = None

    def interrupt(self) -> None:
        """Ends the present work, whose answers from the server will never come."""
        if self._task is not None:
            self._interrupted = True
            self._task.cancel()
