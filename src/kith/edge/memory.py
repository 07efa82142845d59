"""Returns the memory of closed connections to the system.

A TLS connection has a read buffer of 256 KB, of which it uses only a page, and a TLS state of about 30 KB.
The C library reuses freed memory, so it would place new buffers where TLS states were, and all their pages
would occupy memory. So buffers get pages of their own (`mallopt`, M_MMAP_THRESHOLD), and freed memory is
returned from time to time (`malloc_trim`). If the C library has neither function, nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes

#: From malloc.h of glibc.
_M_MMAP_THRESHOLD = -3
#: uvloop's buffer (SSL_READ_MAX_SIZE).
_BUFFER = 256 * 1024
#: The number of closed connections after which memory is returned, which takes some milliseconds: at once,
#: and (the second number) after some seconds.
_MANY, _SOME, _WHILE = 500, 100, 10.0


class Memory:
    """The C library's heap of this process."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        self._closed = 0
        self._at = 0.0
        if (mallopt := getattr(library, "mallopt", None)) is not None:
            mallopt(_M_MMAP_THRESHOLD, _BUFFER)

    async def give_back(self, closed: int, now: float) -> None:
        """Returns memory if enough connections have closed. Has to be called once a second.

        ``closed``: how many connections have ended so far. ``now``: seconds of any monotonic clock.
        """
        new = closed - self._closed
        if self._trim is None or not (new >= _MANY or (new >= _SOME and now - self._at >= _WHILE)):
            return
        self._closed, self._at = closed, now
        await asyncio.to_thread(self._trim, 0)
