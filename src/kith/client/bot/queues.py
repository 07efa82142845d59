"""People's queues: each person's messages in order, and people beside each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kith.client.bot.timers import DueTimer
from kith.client.errors import NotOnline, TimedOut
from kith.client.message import Message

Work = Message | DueTimer


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A handler that waits for the person's next message."""

    future: asyncio.Future[Message]


class Turn:
    """The handling of one message or timer: what it has taken from its person's queue."""

    __slots__ = ("_queue", "taken", "work")

    def __init__(self, queue: Queue, work: Work) -> None:
        self._queue = queue
        self.work = work
        self.taken: list[Message] = [work] if isinstance(work, Message) else []
        """The messages that are handled when this turn has ended."""

    async def next_message(self, timeout: float | None) -> Message:
        """The person's next message. Raises TimedOut, and NotOnline if the bot stops."""
        try:
            async with asyncio.timeout(timeout):
                message = await self._queue.take()
        except TimeoutError:
            raise TimedOut(f"{self._queue.peer} has not answered.") from None
        self.taken.append(message)
        return message


class Queue:
    """What waits for one person."""

    __slots__ = ("_messages_only", "_work", "peer")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._work: deque[Work] = deque()
        self._messages_only: _Waiting | None = None

    def __bool__(self) -> bool:
        return bool(self._work)

    def put(self, work: Work) -> None:
        """Adds something, or gives it to the handler that waits for it."""
        waiting = self._messages_only
        if waiting is not None and isinstance(work, Message) and not waiting.future.done():
            waiting.future.set_result(work)
            return
        self._work.append(work)

    def next(self) -> Work:
        """Takes what comes next. Raises IndexError if there is nothing."""
        return self._work.popleft()

    async def take(self) -> Message:
        """Waits for the next message; timers stay. Raises NotOnline if another handler waits already."""
        for work in self._work:
            if isinstance(work, Message):
                self._work.remove(work)
                return work
        if self._messages_only is not None:
            raise NotOnline("Another handler waits for this person's next message.")
        waiting = self._messages_only = _Waiting(asyncio.get_running_loop().create_future())
        try:
            return await waiting.future
        except asyncio.CancelledError:
            if waiting.future.done() and not waiting.future.cancelled():
                self._work.appendleft(waiting.future.result())  # it came in the moment of the timeout
            raise
        finally:
            self._messages_only = None


class Queues:
    """A task for each person with something to do. ``run(turn)`` handles one message or timer.

    ``on_less()`` is called whenever something was handled.
    """

    __slots__ = ("_on_less", "_queues", "_run", "_tasks", "size")

    def __init__(self, run: Callable[[Turn], Awaitable[None]], on_less: Callable[[], None]) -> None:
        self._run = run
        self._on_less = on_less
        self._queues: dict[str, Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.size = 0
        """How much is waiting or being handled."""

    def put(self, work: Work) -> None:
        """Adds something to its person's queue."""
        self.size += 1
        queue = self._queues.get(work.peer)
        if queue is None:
            queue = self._queues[work.peer] = Queue(work.peer)
            queue.put(work)
            task = asyncio.create_task(self._serve(queue), name=f"kith bot: {work.peer}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            queue.put(work)

    async def _serve(self, queue: Queue) -> None:
        try:
            while queue:
                turn = Turn(queue, queue.next())
                try:
                    await self._run(turn)
                finally:
                    self.size -= len(turn.taken) + (not isinstance(turn.work, Message))
                    self._on_less()
        finally:
            del self._queues[queue.peer]

    async def close(self) -> None:
        """Ends all handlers that are running."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
