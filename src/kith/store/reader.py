"""The threads that read: each with a connection of its own, beside the one that writes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
#: What is to be read, and who waits for it.
_Job = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]"]


class Readers:
    """A login reads five times: this costs a third of what an executor's work items and futures do.

    ``connect`` is called on each thread, when the first query comes to it.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], loop: asyncio.AbstractEventLoop, threads: int = 2
    ) -> None:
        self._connect = connect
        self._loop = loop
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"kith-read-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """What the query returns or raises."""
        future: asyncio.Future[_T] = self._loop.create_future()
        self._jobs.put((query, future))
        return await future

    def close(self) -> None:
        """Answers what was asked, and ends the threads. Blocks."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            query, future = job
            result, failure = None, None
            try:
                if connection is None:
                    connection = self._connect()
                result = query(connection)
            except BaseException as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_answer, future, result, failure)
            del job, query, future, result, failure
        if connection is not None:
            connection.close()


def _answer(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)
