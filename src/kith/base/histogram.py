"""How values are spread, as plain numbers: `kith.metrics` shows them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

#: Where the bounds of histograms lie: seconds, and numbers of things.
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Histogram:
    """How often values up to each of ``bounds`` were seen, and beyond; one thread may write."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Commits:
    """What a store has committed: how long each commit took, and how many operations shared it.

    ``stored``: messages that were new. ``failed``: transactions that were rolled back.
    """

    __slots__ = ("failed", "seconds", "sizes", "stored")

    def __init__(self) -> None:
        self.seconds = Histogram(SECONDS)
        self.sizes = Histogram(SIZES)
        self.stored = 0
        self.failed = 0
