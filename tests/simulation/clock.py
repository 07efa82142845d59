"""Time that passes only when there is nothing left to do, and the event loops that live in it.

Each node has a loop of its own. A frozen node is one whose loop gets no turns, a killed one a loop that
never gets one again, so nothing of it runs any more: no ``finally``, no cancellation, as with SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import random
from collections import deque
from collections.abc import Callable, MutableMapping
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, cast

import structlog

#: Turns of one loop before others get theirs.
_AT_ONCE = 20
#: When every simulation begins, in seconds since 1970.
EPOCH = 1_800_000_000.0


class Stuck(Exception):
    """What was waited for has not happened, or somebody turns in a circle."""


class Loop(asyncio.BaseEventLoop):
    """An event loop in virtual time. `Time` gives it its turns."""

    def __init__(self, time: Time, name: str) -> None:
        super().__init__()
        self._clock_resolution = 1e-9
        self._virtual = time
        self.name = name
        self.frozen = self.dead = False
        self.failures: list[str] = []  # what nobody has caught

    def time(self) -> float:
        return self._virtual.now

    def due(self) -> float | None:
        """When it has something to do next; None if it waits for others."""
        if self._ready:  # type: ignore[attr-defined]
            return self._virtual.now
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        when: float | None = timers[0]._when if timers else None
        return when

    def turn(self) -> None:
        """Calls what is due, and what follows from it at once, as `asyncio.BaseEventLoop` has it."""
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        now = self._virtual.now
        asyncio._set_running_loop(self)
        try:
            while timers and timers[0]._when <= now:
                handle = heapq.heappop(timers)
                handle._scheduled = False
                ready.append(handle)
            for _ in range(_AT_ONCE):
                if not ready:
                    return
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    if not handle._cancelled:
                        handle._run()
        finally:
            asyncio._set_running_loop(None)

    def abandon(self) -> None:
        """Nothing of it runs any more."""
        self.frozen = self.dead = True
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with contextlib.suppress(Exception):  # what it does at its end reaches nobody
                cast(Any, task.get_coro()).close()

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        if self.dead:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coro.close()
        return task

    def _check_closed(self) -> None:
        pass

    def __del__(self) -> None:
        """There is nothing to be closed."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.dead:  # or it is a task that ends with its node
            self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """There are no threads: it is done a moment later."""
        future = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.call_later(0.001, run)
        return future

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)


class Time:
    """The time of all loops, in seconds since the simulation began.

    ``turns``: how many were given. Loops that are due at the same time come in an order that ``rng`` gives.
    """

    def __init__(self, rng: random.Random, most_turns: int = 500_000) -> None:
        self.now = 0.0
        self.turns = 0
        self._rng = rng
        self._most_turns = most_turns
        self._loops: list[Loop] = []

    def loop(self, name: str) -> Loop:
        """A new loop."""
        loop = Loop(self, name)
        self._loops.append(loop)
        return loop

    def end(self, loop: Loop) -> None:
        """A loop is given no turn any more."""
        loop.abandon()
        self._loops.remove(loop)

    def steady(self) -> float:
        return self.now

    def run(self, until: Callable[[], bool], seconds: float) -> bool:
        """Lets time pass until a condition holds, or for so long. Returns whether it holds."""
        end = self.now + seconds
        while not until():
            if not self._step(end):
                self.now = end
                return until()
        return True

    def sleep(self, seconds: float) -> None:
        """Lets so much time pass."""
        end = self.now + seconds
        while self._step(end):
            pass
        self.now = end

    def _step(self, end: float) -> bool:
        """The next turn; False if there is none until ``end``."""
        best: float | None = None
        chosen: list[Loop] = []
        for loop in self._loops:
            if loop.frozen or (due := loop.due()) is None:
                continue
            due = max(due, self.now)
            if best is None or due < best:
                best, chosen = due, [loop]
            elif due == best:
                chosen.append(loop)
        if best is None or best > end:
            return False
        self.now = best
        loop = chosen[0] if len(chosen) == 1 else chosen[int(self._rng.random() * len(chosen))]
        self.turns += 1
        if self.turns > self._most_turns:
            raise Stuck(f"{self.turns} turns, and no end")
        loop.turn()
        return True

    def run_task(self, loop: Loop, work: Any, seconds: float = 600.0) -> Any:
        """Runs a coroutine in a loop to its end, and returns its result."""
        task = loop.create_task(work)
        if not self.run(task.done, seconds):
            raise Stuck(f"{work} has not ended")
        return cast(Any, task.result())


class Journal:
    """Instead of the product's journal. ``errors``: what its operator was told of, with what was raised."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def __enter__(self) -> Journal:
        self._kept = structlog.get_config()
        structlog.configure(
            processors=[self._note], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
        )
        return self

    def __exit__(self, *_: object) -> None:
        structlog.configure(**self._kept)

    def _note(self, logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        error = event.get("exc_info")
        if isinstance(error, BaseException):
            self.errors.append(f"{event.get('event')}: {error!r}")
        raise structlog.DropEvent
