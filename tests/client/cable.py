"""A network cable between a client and a server, which a test can cut, unplug and plug in again."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Cable:
    """Listens on a free port of the loopback and carries bytes to and from the server's port."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0
        self.budget: int | None = None
        """Cut once, when so many bytes more have come from the server."""
        self.swallowing = False
        """Nothing of what clients write arrives, until the cable is cut."""

    async def __aenter__(self) -> Cable:
        await self.plug_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unplug()

    async def plug_in(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """All connections are gone, without a word; new ones are possible at once."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.swallowing = False

    def unplug(self) -> None:
        """Cut, and nobody gets through any more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, there_writer}
        self._clients.add(writer)
        await asyncio.gather(self._carry(reader, there_writer), self._carry(there_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.budget is not None and writer in self._clients:
                    self.budget -= len(data)
                    if self.budget < 0:
                        self.budget = None
                        self.cut()
                        return
                if self.swallowing and writer not in self._clients:
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()
