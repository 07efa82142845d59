"""Histograms of durations and sizes, as plain numbers. `kith.metrics` reads them for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

#: Where the bounds of histograms lie: seconds, and numbers of things.
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Histogram:
    """Counts values by the first of ``bounds`` that they don't exceed; the last count is for larger ones.

    Only one thread may call `observe`; others may read.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Commits:
    """Statistics of a store's commits: how long they took, and how many operations each had.

    ``stored``: new messages. ``failed``: transactions that were rolled back.
    """

    __slots__ = ("failed", "seconds", "sizes", "stored")

    def __init__(self) -> None:
        self.seconds = Histogram(SECONDS)
        self.sizes = Histogram(SIZES)
        self.stored = 0
        self.failed = 0
