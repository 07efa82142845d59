"""The time of day, which a clock that jumps ahead for some seconds does not mislead.

A clock that is wrong for a moment would do lasting harm: ids of messages never go back, and what has got old
(tokens, accounts that have left, messages past their retention) is removed. So a step ahead of the system's
clock is believed after it has lasted. A step back is believed at once: it makes nothing older.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

logger = structlog.get_logger("kith")
#: A step of the clock that is no matter, in seconds.
_STEP = 30.0
#: How long a greater step ahead has to last until it is believed, in seconds.
_PATIENCE = 60.0


def _uptime() -> float:
    """Seconds that never step, and that go on while the machine sleeps, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Clock:
    """``wall`` is the system's time of day in seconds since 1970; ``uptime`` judges it, and is never set.

    ``steady``: seconds for how long something takes, which are never set either.
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
        self._believed = wall()  # when `_uptime` was `_since`
        self._since = uptime()
        self._limit = self._believed + _STEP  # from here on the two are compared
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
                self._limit = 0.0  # compare each time until it is over
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
