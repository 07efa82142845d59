"""Sends files over connections: without copying them if the line is plain, in small pieces over TLS.

The disk never holds up the event loop: what is not in memory is read by a thread first.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial

#: How much is sent before others get their turn.
_WINDOW = 1024 * 1024
#: Pieces over TLS grow from the first to the second while the client reads quickly. What all slow clients
#: together have in memory is as many of the small ones.
_PIECE, _LARGEST_PIECE = 32 * 1024, 256 * 1024
_QUICK = 0.005
_PAGE = 4096
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


class File:
    """A part of an open file. ``disk``: the threads to read it with."""

    def __init__(self, descriptor: int, start: int, end: int, disk: Executor) -> None:
        self.descriptor = descriptor
        self.start = start
        self.end = end
        self._disk = disk

    async def warm(self, start: int, end: int) -> None:
        """Makes sure that a part is in memory, so that sending it does not wait for the disk."""
        if not self._is_warm(start, end):
            await self._on_disk(partial(self._touch, start, end))

    def _is_warm(self, start: int, end: int) -> bool:
        """Whether the first and the last page are in memory: the system reads ahead between them."""
        byte = bytearray(1)
        try:
            for offset in (start, end - 1):
                if os.preadv(self.descriptor, [byte], offset, _NOWAIT) != 1:
                    return False
        except OSError:  # not in memory, or the file system can't say
            return False
        return bool(_NOWAIT)

    def _touch(self, start: int, end: int) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.descriptor, start, 4 * (end - start), os.POSIX_FADV_WILLNEED)
        os.pread(self.descriptor, end - start, start)

    async def read(self, start: int, length: int) -> bytes:
        return await self._on_disk(partial(os.pread, self.descriptor, length, start))

    async def _on_disk(self, work: Callable[[], bytes | None]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work) or b""


async def send_plain(wire: int, file: File, moved: Callable[[], None]) -> None:
    """Sends a file by sendfile(2). ``wire``: a descriptor of the socket that the loop does not watch.

    ``moved``: called whenever the client has taken something. Raises OSError.
    """
    loop = asyncio.get_running_loop()
    position = warm = file.start
    while position < file.end:
        if position >= warm:
            warm = min(position + _WINDOW, file.end)
            await file.warm(position, warm)
        try:
            sent = os.sendfile(wire, file.descriptor, position, warm - position)
        except BlockingIOError:
            await _writable(loop, wire)
            continue
        if not sent:
            raise OSError("the file is shorter than it was")
        position += sent
        moved()
        if position >= warm:
            await asyncio.sleep(0)


async def _writable(loop: asyncio.AbstractEventLoop, wire: int) -> None:
    """Waits until the system takes more for a socket."""
    ready = loop.create_future()
    loop.add_writer(wire, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(wire)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def send_pieces(
    write: Callable[[bytes], None], drain: Callable[[], Awaitable[None]], file: File
) -> None:
    """Sends a file over a connection that encrypts. ``drain`` waits until little waits to be sent."""
    time = asyncio.get_running_loop().time
    position, length = file.start, _PIECE
    while position < file.end:
        piece = await file.read(position, min(length, file.end - position))
        if not piece:
            raise OSError("the file is shorter than it was")
        position += len(piece)
        before = time()
        write(piece)
        await drain()
        length = min(2 * length, _LARGEST_PIECE) if time() - before < _QUICK else _PIECE


def duplicate(transport: asyncio.Transport) -> int | None:
    """Another descriptor of a connection's socket, to be closed; None if it has none."""
    wire = transport.get_extra_info("socket")
    return os.dup(wire.fileno()) if isinstance(getattr(wire, "fileno", None), Callable) else None  # type: ignore[arg-type]


def cork(transport: asyncio.Transport, on: bool) -> None:
    """Makes the system send the head of an answer together with the beginning of its content."""
    wire = transport.get_extra_info("socket")
    if wire is not None and hasattr(socket, "TCP_CORK"):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(on))
