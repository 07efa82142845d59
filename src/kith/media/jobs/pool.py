"""The queue of pictures, and a few workers that prepare them.

Workers start when there is something to do, and end when there was nothing for a while. Whatever a picture
does to its worker, the next one gets another.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque

import structlog

from kith.media.jobs import frames
from kith.media.jobs.process import Bounds, Worker, WorkerError
from kith.ports.pictures import Picture, PictureError, Wanted

logger = structlog.get_logger("kith")
#: How many pictures may wait, and how many of them for one owner.
_QUEUE = 64
_QUEUE_OF_ONE = 4
#: After how many pictures a worker is replaced, since decoders may leak memory.
_JOBS = 200
#: Seconds until a worker without work ends.
_IDLE = 30.0


class PicturePool:
    """An implementation of `kith.ports.pictures.Pictures` with ``workers`` processes at most."""

    def __init__(self, workers: int = 2, bounds: Bounds | None = None, idle: float = _IDLE) -> None:
        self._bounds = bounds or Bounds()
        self._places = workers
        self._idle_seconds = idle
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._owners: Counter[str] = Counter()
        self._idle: list[tuple[Worker, asyncio.TimerHandle]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def workers(self) -> list[int]:
        """The process ids of workers that wait for work."""
        return [worker.pid for worker, _ in self._idle]

    async def prepare(self, data: bytes, wanted: Wanted, owner: str) -> Picture:
        """An upright copy of a picture without metadata. Raises PictureError."""
        if len(data) > frames.BODY_BYTES:
            raise PictureError("too-large")
        if self._closed or self._owners[owner] >= _QUEUE_OF_ONE:
            raise PictureError("busy")
        self._owners[owner] += 1
        try:
            await self._take_place()
            try:
                return await self._run(data, wanted, owner)
            finally:
                self._leave_place()
        finally:
            self._owners[owner] -= 1
            if not self._owners[owner]:
                del self._owners[owner]

    async def close(self) -> None:
        """Ends all workers. Nothing is prepared any more."""
        self._closed = True
        for waiting in self._waiting:
            waiting.cancel()
        idle, self._idle = self._idle, []
        for worker, timer in idle:
            timer.cancel()
            await worker.end()
        await asyncio.gather(*self._ending)

    # -- places -----------------------------------------------------------------------------------------

    async def _take_place(self) -> None:
        """Waits until fewer than all places are taken, in order. Raises PictureError."""
        if self._places:
            self._places -= 1
            return
        if len(self._waiting) >= _QUEUE:
            raise PictureError("busy")
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif not waiting.cancelled():
                self._leave_place()  # it was given one just now
            raise

    def _leave_place(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)  # the place goes to it
                return
        self._places += 1

    # -- workers ----------------------------------------------------------------------------------------

    async def _run(self, data: bytes, wanted: Wanted, owner: str) -> Picture:
        worker = self._idle_worker()
        try:
            if worker is None:
                worker = Worker(self._bounds)
                await worker.start()
            picture = await worker.prepare(data, wanted)
        except PictureError:
            assert worker is not None
            self._keep(worker)
            raise
        except (WorkerError, OSError) as error:
            logger.warning("preparing a picture failed", owner=owner, bytes=len(data), cause=str(error))
            self._spawn_kill(worker)
            raise PictureError("failed") from None
        except BaseException:  # nobody waits for it any more
            self._spawn_kill(worker)
            raise
        self._keep(worker)
        return picture

    def _idle_worker(self) -> Worker | None:
        while self._idle:
            worker, timer = self._idle.pop()
            timer.cancel()
            if worker.alive:
                return worker
        return None

    def _keep(self, worker: Worker) -> None:
        """Keeps a worker for the next picture, unless it has done enough."""
        if self._closed or worker.jobs >= _JOBS:
            self._spawn_kill(worker)
            return
        loop = asyncio.get_running_loop()
        self._idle.append((worker, loop.call_later(self._idle_seconds, self._end_idle, worker)))

    def _end_idle(self, worker: Worker) -> None:
        self._idle = [(other, timer) for other, timer in self._idle if other is not worker]
        self._spawn_kill(worker)

    def _spawn_kill(self, worker: Worker | None) -> None:
        """Ends a worker in the background."""
        if worker is None:
            return
        task = asyncio.get_running_loop().create_task(worker.kill())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
