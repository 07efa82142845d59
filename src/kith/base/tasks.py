"""Background tasks, which end with the server. Their errors are logged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

logger = structlog.get_logger("kith")


class Told(Exception):
    """An error that was logged already, and is not logged again."""


class Tasks:
    """The background work of a node. Nothing runs before `start`, which a running loop calls."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = False

    def start(self) -> None:
        """Takes the running event loop. Raises RuntimeError outside of one."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Cancels what still runs."""
        self._stopped = True
        for task in self._running:
            task.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine in the background. An error of it is logged."""
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def repeat(self, work: Callable[[], Awaitable[None]], every: float) -> None:
        """Calls ``work`` now, and then every ``every`` seconds.

        Errors are logged, and do not end the repetition.
        """

        async def repeat() -> None:
            while True:
                try:
                    await work()
                except Exception as error:
                    self.failed("background work failed", error)
                await asyncio.sleep(every)

        self.spawn(repeat())

    def failed(self, event: str, error: BaseException) -> None:
        """Logs an error under an event's name, unless it was logged already (`Told`)."""
        if not isinstance(error, Told):
            logger.error(event, exc_info=error)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Calls ``work`` once after ``seconds``, unless the tasks were stopped. An error is logged."""

        def call() -> None:
            if self._stopped:
                return
            try:
                work()
            except Exception as error:
                self.failed("background work failed", error)

        self._loop.call_later(seconds, call)

    def soon(self, work: Callable[[], None]) -> None:
        """Calls ``work`` in the next iteration of the event loop."""
        self._loop.call_soon(work)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed("background work failed", error)
