"""The time of day, protected against a system clock that is wrong for a moment.

A clock that jumps ahead would do lasting harm: ids of messages never go back, and old things (tokens,
deleted accounts, messages beyond their retention) are removed. So a step ahead is accepted only after it
has lasted for some time. A step back is accepted at once, since it makes nothing older.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

logger = structlog.get_logger("kith")
#: Steps of the clock up to this size are accepted at once, in seconds.
_STEP = 30.0
#: How long a larger step ahead has to last before it is accepted, in seconds.
_PATIENCE = 60.0


def _uptime() -> float:
    """A monotonic time in seconds, which includes suspend if the system supports that."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Clock:
    """The time of day, and a monotonic clock.

    ``wall``: the time of day of the system, in seconds since 1970. ``uptime``: a monotonic time that
    ``wall`` is compared with. ``steady``: a monotonic time for measuring durations.
    """

    __slots__ = ("_believed", "_leapt", "_limit", "_since", "_uptime", "_wall", "steady")

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        uptime: Callable[[], float] = _uptime,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._uptime = uptime
        self.steady = steady
        self._believed = wall()  # the accepted time when `_uptime` was `_since`
        self._since = uptime()
        self._limit = self._believed + _STEP  # from this wall time on, the two are compared
        self._leapt: float | None = None  # `_uptime` when the wall clock was found ahead

    def now(self) -> float:
        """The time of day, in seconds since 1970."""
        wall = self._wall()
        return wall if self._limit - 2 * _STEP <= wall < self._limit else self._compared(wall)

    def _compared(self, wall: float) -> float:
        uptime = self._uptime()
        expected = self._believed + uptime - self._since
        ahead = wall - expected
        if ahead > _STEP:
            if self._leapt is None:
                self._leapt = uptime
                self._limit = 0.0  # compare at each call until the step has lasted or is over
                logger.warning("the clock has jumped ahead", seconds=round(ahead), believed_after=_PATIENCE)
            if uptime - self._leapt < _PATIENCE:
                return expected
        if ahead < -_STEP:
            logger.warning("the clock was set back", seconds=round(-ahead))
        elif self._leapt is not None:
            logger.warning("the clock is right again" if ahead <= _STEP else "the clock is believed")
        self._leapt = None
        self._believed, self._since, self._limit = wall, uptime, wall + _STEP
        return wall
