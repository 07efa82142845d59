"""How long a message takes while something else goes on, and how much memory the server uses."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

import psutil

from tests.chaos.servers import Killable
from tests.raw import RawClient, body, online


class Meter:
    """Two people exchange messages, ``rate`` a second. ``times``: how long each took, in seconds."""

    def __init__(self, server: Killable, names: tuple[str, str], rate: float = 50) -> None:
        self.server = server
        self.names = names
        self.pause = 1 / rate
        self.times: list[float] = []
        self.lost = 0
        self.peak = 0
        self.before = 0

    async def __aenter__(self) -> Meter:
        self._clients = [await online(self.server.port, name) for name in self.names]
        self._process = psutil.Process(self.server.pid)
        self.before = self.peak = self.rss()
        self._tasks = [asyncio.create_task(self._exchange()), asyncio.create_task(self._weigh())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients:
            client.abort()

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
        one, two = self._clients
        number = 0
        while True:
            number += 1
            await self._pass(one, two, number)
            await asyncio.sleep(self.pause)

    async def _pass(self, sender: RawClient, receiver: RawClient, number: int) -> None:
        began = time.perf_counter()
        to = receiver.bare
        sender.send(f"<message to='{to}' type='chat'><body>{number}</body></message>")
        message = await receiver.message(60)
        assert body(message) == str(number)
        self.times.append(time.perf_counter() - began)
