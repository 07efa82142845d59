"""What closed connections had goes back to the system, however many come and go (promise 6).

A TLS connection has a read buffer of 256 KB, of which it touches little, and some 30 KB that it does. The C
library keeps what is freed, touched or not, and gives it to others: buffers would lie where TLS states were,
and take the memory that they only seem to. So they get pages of their own (`mallopt`, M_MMAP_THRESHOLD), and
what was freed is given back from time to time (`malloc_trim`). Where the C library has neither, nothing is
done.
"""

from __future__ import annotations

import asyncio
import ctypes

#: From malloc.h of glibc.
_M_MMAP_THRESHOLD = -3
#: uvloop's buffer (SSL_READ_MAX_SIZE).
_BUFFER = 256 * 1024
#: So many closed connections are worth a look at the memory, which takes some milliseconds; so many after a
#: while of so many seconds.
_MANY, _SOME, _WHILE = 500, 100, 10.0


class Memory:
    """The C library's memory of this process."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        self._closed = 0
        self._at = 0.0
        if (mallopt := getattr(library, "mallopt", None)) is not None:
            mallopt(_M_MMAP_THRESHOLD, _BUFFER)

    async def give_back(self, closed: int, now: float) -> None:
        """To be called each second; does something when it is worth it.

        ``closed``: how many connections have ended so far. ``now``: seconds of any steady clock.
        """
        new = closed - self._closed
        if self._trim is None or not (new >= _MANY or (new >= _SOME and now - self._at >= _WHILE)):
            return
        self._closed, self._at = closed, now
        await asyncio.to_thread(self._trim, 0)
