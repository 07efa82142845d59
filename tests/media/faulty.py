"""A TCP proxy that can stall, cut and refuse connections, between Kith and a blob store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Line:
    """``stalled``: nothing passes. ``cut_after``: after how many bytes to the server a connection breaks.

    ``cut_answers_after``: the same for bytes from the server. ``status``: answers requests with this status
    of HTTP, and not with the server's.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.stalled = False
        self.cut_after: int | None = None
        self.cut_answers_after: int | None = None
        self.status = 0
        self.connections = 0

    def heal(self) -> None:
        self.stalled, self.status = False, 0
        self.cut_after = self.cut_answers_after = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if self.status:
                await reader.read(65536)
                writer.write(
                    b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status
                )
                await writer.drain()
                writer.close()
                return
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
            ways = (
                asyncio.create_task(self._pass(reader, there, "cut_after")),
                asyncio.create_task(self._pass(there_reader, writer, "cut_answers_after")),
            )
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                for end in (there, writer):
                    end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bound: str) -> None:
        passed = 0
        while data := await reader.read(65536):
            while self.stalled:
                await asyncio.sleep(0.01)
            passed += len(data)
            most: int | None = getattr(self, bound)
            if most is not None and passed > most:
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def line(target: int, port: int = 0) -> AsyncIterator[tuple[Line, int]]:
    """A proxy to a port of this machine, and the port at which it listens."""
    there = Line(target)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(there.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield there, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
