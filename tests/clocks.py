"""A clock that a test sets."""

from __future__ import annotations

from kith.base.clock import Clock


class SetClock(Clock):
    """``time`` is the time of day, in seconds since 1970. No clock goes on by itself."""

    def __init__(self, time: float = 1.8e9) -> None:
        super().__init__(steady=lambda: 1000.0 + self._passed)
        self.time = time
        self._passed = 0.0

    def forward(self, seconds: float) -> None:
        """Lets time pass, on all clocks. To set ``time`` alone is to correct the time of day."""
        self.time += seconds
        self._passed += seconds

    def now(self) -> float:
        return self.time
