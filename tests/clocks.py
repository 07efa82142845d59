"""A clock that a test sets."""

from __future__ import annotations

from kith.base.clock import Clock


class SetClock(Clock):
    """``time`` is the time of day, in seconds since 1970, whatever the machine's clock says."""

    def __init__(self, time: float = 1.8e9) -> None:
        super().__init__()
        self.time = time

    def now(self) -> float:
        return self.time
