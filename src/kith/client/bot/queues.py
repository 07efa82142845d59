"""People's queues: each person's messages in order, and people beside each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from kith.client.bot.timers import DueTimer
from kith.client.errors import NotOnline, TimedOut
from kith.client.message import Message

Work = Message | DueTimer
#: What waits: the row of a message in the history, so that a long queue takes little memory, or a timer.
Waiting = int | DueTimer
#: The message of a row, as it is now; None if it is gone, or was deleted by its author.
Find = Callable[[int], Message | None]


class Turn:
    """The handling of one message or timer: what it has taken from its person's queue."""

    __slots__ = ("_queue", "rows", "work")

    def __init__(self, queue: Queue, work: Work, rows: list[int]) -> None:
        self._queue = queue
        self.work = work
        self.rows = rows
        """The rows of the messages that are handled when this turn has ended."""

    async def next_message(self, timeout: float | None) -> Message:
        """The person's next message. Raises TimedOut, and NotOnline if another handler waits for it."""
        try:
            async with asyncio.timeout(timeout):
                return await self._queue.take(self.rows)
        except TimeoutError:
            raise TimedOut(f"{self._queue.peer} has not answered.") from None


class Queue:
    """What waits for one person."""

    __slots__ = ("_arrived", "_find", "_taking", "_waiting", "peer")

    def __init__(self, peer: str, find: Find) -> None:
        self.peer = peer
        self._find = find
        self._waiting: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._taking = False

    def put(self, waiting: Waiting) -> None:
        """Adds a message or a timer."""
        self._waiting.append(waiting)
        self._arrived.set()

    def next(self) -> Turn | list[int] | None:
        """The next turn; the rows of messages that are gone, if there are only such; None: nothing waits."""
        gone: list[int] = []
        while self._waiting:
            waiting = self._waiting.popleft()
            if isinstance(waiting, DueTimer):
                return Turn(self, waiting, gone)
            gone.append(waiting)
            message = self._find(waiting)
            if message is not None:
                return Turn(self, message, gone)
        return gone or None

    async def take(self, rows: list[int]) -> Message:
        """Waits for the next message, and notes its row in ``rows``; timers stay. Raises NotOnline."""
        if self._taking:
            raise NotOnline("Another handler waits for this person's next message.")
        self._taking = True
        try:
            while True:
                self._arrived.clear()
                for waiting in [one for one in self._waiting if isinstance(one, int)]:
                    self._waiting.remove(waiting)
                    rows.append(waiting)
                    message = self._find(waiting)
                    if message is not None:
                        return message
                await self._arrived.wait()
        finally:
            self._taking = False


class Queues:
    """A task for each person with something to do.

    ``run(turn)`` handles one message or timer, ``skip(rows)`` notes messages that are gone. ``on_less()`` is
    called whenever something was handled, or ``error`` was set: what a task has failed with.
    """

    __slots__ = ("_find", "_on_less", "_queues", "_run", "_skip", "_tasks", "error", "size")

    def __init__(
        self,
        run: Callable[[Turn], Awaitable[None]],
        skip: Callable[[list[int]], None],
        find: Find,
        on_less: Callable[[], None],
    ) -> None:
        self._run = run
        self._skip = skip
        self._find = find
        self._on_less = on_less
        self._queues: dict[str, Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.error: BaseException | None = None
        self.size = 0
        """How much is waiting or being handled."""

    def put(self, peer: str, waiting: Waiting) -> None:
        """Adds something to a person's queue."""
        self.size += 1
        queue = self._queues.get(peer)
        if queue is not None:
            queue.put(waiting)
            return
        queue = self._queues[peer] = Queue(peer, self._find)
        queue.put(waiting)
        task = asyncio.create_task(self._serve(queue), name=f"kith bot: {peer}")
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    async def _serve(self, queue: Queue) -> None:
        try:
            while (turn := queue.next()) is not None:
                if not isinstance(turn, Turn):
                    self._skip(turn)
                    self._less(len(turn))
                    continue
                try:
                    await self._run(turn)
                finally:
                    self._less(len(turn.rows) + isinstance(turn.work, DueTimer))
        finally:
            del self._queues[queue.peer]

    def _less(self, count: int) -> None:
        self.size -= count
        self._on_less()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.error = task.exception()
            self._on_less()

    async def close(self) -> None:
        """Ends all handlers that are running."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
