"""How long a message takes while something else goes on, and how much memory the server uses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from types import TracebackType
from uuid import uuid4

import psutil

from tests.chaos.servers import Killable
from tests.raw import body, online


def prefer(*pids: int) -> None:
    """Lets these processes have a core before others, where one may: what is measured is the server."""
    with contextlib.suppress(PermissionError):
        for pid in pids:
            for thread in psutil.Process(pid).threads():
                os.setpriority(os.PRIO_PROCESS, thread.id, -10)


class Meter:
    """One writes to another, ``rate`` messages a second. ``times``: how long each took, in seconds."""

    def __init__(self, server: Killable, names: tuple[str, str], rate: float = 50) -> None:
        self.server = server
        self.names = names
        self.pause = 1 / rate
        self.times: list[float] = []
        self.peak = 0
        self.before = 0

    async def __aenter__(self) -> Meter:
        self._clients = [await online(self.server.port, name) for name in self.names]
        self._process = psutil.Process(self.server.pid)
        self.before = self.peak = self.rss()
        await self._pass(uuid4().hex)  # what waited from another time has come by then
        self.times.clear()
        self._tasks = [asyncio.create_task(self._exchange()), asyncio.create_task(self._weigh())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for client in self._clients:
            client.abort()
        for task in self._tasks:
            if not task.cancelled() and kind is None:
                task.result()  # why it ended

    def rss(self) -> int:
        """The server's memory in bytes."""
        return int(self._process.memory_info().rss)

    @property
    def grown(self) -> int:
        """By how many bytes the server's memory has grown at most."""
        return self.peak - self.before

    def quantile(self, share: float) -> float:
        """In milliseconds."""
        return sorted(self.times)[min(int(share * len(self.times)), len(self.times) - 1)] * 1000

    async def _weigh(self) -> None:
        while True:
            self.peak = max(self.peak, self.rss())
            await asyncio.sleep(0.1)

    async def _exchange(self) -> None:
        while True:
            await self._pass(uuid4().hex)
            await asyncio.sleep(self.pause)

    async def _pass(self, text: str) -> None:
        sender, receiver = self._clients
        began = time.perf_counter()
        sender.send(f"<message to='{receiver.bare}' type='chat'><body>{text}</body></message>")
        while body(await receiver.message(60)) != text:
            assert not self.times, "a message that was not sent"
        self.times.append(time.perf_counter() - began)
