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
NEVER = float("inf")
#: When every simulation begins, in seconds since 1970.
EPOCH = 1_800_000_000.0


class Stuck(Exception):
    """What was waited for has not happened, or somebody turns in a circle."""


class _Call:
    """A callback in a loop: what `asyncio.Handle` is, without a context, in a third of the time.

    Its methods are those that asyncio and the product use.
    """

    __slots__ = ("args", "callback", "is_cancelled", "time")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], time: float = 0.0) -> None:
        self.callback = callback
        self.args = args
        self.time = time
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self.args = ()  # it may hold much

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.time


class Loop(asyncio.BaseEventLoop):
    """An event loop in virtual time. `Time` gives it its turns."""

    def __init__(self, time: Time, name: str) -> None:
        super().__init__()
        self._virtual = time
        self.name = name
        self.frozen = self.dead = False
        self.failures: list[str] = []  # what nobody has caught
        self.ready: deque[_Call] = deque()
        self.timers: list[tuple[float, int, _Call]] = []  # a heap; equal times in the order of their making
        self._count = 0

    def time(self) -> float:
        return self._virtual.now

    # -- as asyncio and the product call it ----------------------------------------------------------

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        call = _Call(callback, args)
        if not self.dead:
            self.ready.append(call)
        return call

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        call = _Call(callback, args, when)
        if not self.dead:
            self._count += 1
            heapq.heappush(self.timers, (when, self._count, call))
        return call

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._virtual.now + delay, callback, *args)

    # -- its turns -----------------------------------------------------------------------------------

    def due(self) -> float:
        """When it has something to do next, which may be over; `NEVER` if it waits for others."""
        timers = self.timers
        while timers:
            if not timers[0][2].is_cancelled:
                return timers[0][0]
            heapq.heappop(timers)
        return NEVER

    def turn(self) -> None:
        """Calls what is due, and what follows from it at once, as `asyncio.BaseEventLoop` has it."""
        ready, timers, now = self.ready, self.timers, self._virtual.now
        while timers and timers[0][0] <= now:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(_AT_ONCE):
            if not ready:
                return
            for _ in range(len(ready)):
                call = ready.popleft()
                if call.is_cancelled:
                    continue
                try:
                    call.callback(*call.args)
                except (KeyboardInterrupt, SystemExit):
                    raise
                except BaseException as error:
                    self.call_exception_handler({"message": f"{call.callback}", "exception": error})

    def abandon(self) -> None:
        """Nothing of it runs any more."""
        self.frozen = self.dead = True
        self.ready.clear()
        self.timers.clear()
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
        self._running: Loop | None = None

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
        try:
            while not until():
                if not self._step(end):
                    self.now = end
                    return until()
            return True
        finally:
            self._rest()

    def sleep(self, seconds: float) -> None:
        """Lets so much time pass."""
        end = self.now + seconds
        try:
            while self._step(end):
                pass
            self.now = end
        finally:
            self._rest()

    def _rest(self) -> None:
        self._running = None
        asyncio._set_running_loop(None)

    def _step(self, end: float) -> bool:
        """The next turn; False if there is none until ``end``."""
        now = self.now
        best, chosen, others = end, None, 0
        for loop in self._loops:
            if loop.frozen:
                continue
            due = now if loop.ready else max(now, loop.due())
            if due < best or (chosen is None and due == best):
                best, chosen, others = due, loop, 0
            elif due == best:  # each of those that are due with the same chance
                others += 1
                if self._rng.random() * (others + 1) < 1.0:
                    chosen = loop
        if chosen is None:
            return False
        self.now = best
        loop = chosen
        self.turns += 1
        if self.turns > self._most_turns:
            raise Stuck(f"{self.turns} turns, and no end")
        if loop is not self._running:
            self._running = loop
            asyncio._set_running_loop(loop)
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
