"""The reader threads. Each has its own connection, separate from that of the writer."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
#: A query, and the future for its result.
_Job = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]"]
#: The queue by which an idle thread gets its next query; None ends it.
_Desk = SimpleQueue[_Job | None]


class Readers:
    """A pool of reader threads.

    It costs a third of an executor, which matters since a login reads several times.

    ``connect`` is called on each thread before its first query. A query wakes only one thread, and several
    results wake the event loop only once, since waking is most of the cost of a short query.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], loop: asyncio.AbstractEventLoop, threads: int = 2
    ) -> None:
        self._connect = connect
        self._loop = loop
        self._jobs: deque[_Job] = deque()  # queries that wait for a thread
        self._found: deque[tuple[asyncio.Future[Any], Any, BaseException | None] | _Desk] = deque()
        self._told = False  # whether `_answer` is scheduled
        self._closed = False
        self._idle: list[_Desk] = [SimpleQueue() for _ in range(threads)]
        self._threads = [
            (threading.Thread(target=self._run, args=(desk,), name=f"kith-read-{number}", daemon=True), desk)
            for number, desk in enumerate(self._idle)
        ]
        for thread, _ in self._threads:
            thread.start()

    async def read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """Runs a query on a reader thread. Returns or raises what it does."""
        future: asyncio.Future[_T] = self._loop.create_future()
        if self._idle:
            self._idle.pop().put((query, future))
        else:
            self._jobs.append((query, future))
        return await future

    def close(self) -> None:
        """Finishes the queued queries and ends the threads. Blocks."""
        self._closed = True
        for _, desk in self._threads:
            desk.put(None)
        for thread, _ in self._threads:
            thread.join()

    # -- on the threads -------------------------------------------------------------------------------

    def _run(self, desk: _Desk) -> None:
        connection: sqlite3.Connection | None = None
        last = False
        while not last:
            job = desk.get()
            if job is None:
                last = True
                job = self._next()
            while job is not None:
                query, future = job
                result, failure = None, None
                try:
                    if connection is None:
                        connection = self._connect()
                    result = query(connection)
                except BaseException as error:
                    failure = error
                self._found.append((future, result, failure))
                job = self._next()
                if job is None:
                    self._found.append(desk)
                self._tell()
                del query, future, result, failure
        if connection is not None:
            connection.close()

    def _next(self) -> _Job | None:
        try:
            return self._jobs.popleft()
        except IndexError:
            return None

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            with contextlib.suppress(RuntimeError):  # the event loop is closed, so nobody is waiting
                self._loop.call_soon_threadsafe(self._answer)

    # -- on the loop ----------------------------------------------------------------------------------

    def _answer(self) -> None:
        """Delivers results, and gives queries to idle threads."""
        self._told = False  # first, since results that arrive from here on may be missed below
        while self._found:
            found = self._found.popleft()
            if isinstance(found, SimpleQueue):
                job = self._next() if not self._closed else None
                if job is not None:
                    found.put(job)
                else:
                    self._idle.append(found)
                continue
            future, result, failure = found
            if future.done():
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)
