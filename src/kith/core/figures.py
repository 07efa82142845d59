"""What has happened since the start, as plain numbers: counting one costs next to nothing.

Who watches the server reads them (`kith.metrics`); nothing here knows how they are shown.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence


class Figures:
    """Counters of a domain. All only grow, but for ``sessions``: those that are bound now."""

    __slots__ = (
        "delivered",
        "foreign",
        "iqs",
        "logins",
        "messages",
        "presences",
        "replayed",
        "sessions",
        "sms",
        "stanza_errors",
        "stream_errors",
    )

    def __init__(self) -> None:
        self.messages = 0  # from clients here
        self.iqs = 0
        self.presences = 0
        self.foreign = 0  # stanzas of any kind from other servers and components
        self.delivered = 0  # copies of messages that were handed to sessions as they came
        self.replayed = 0  # and those from the log, when a session became available
        self.sessions = 0
        self.logins: Counter[tuple[str, str]] = Counter()  # by mechanism and result
        self.sms: Counter[str] = Counter()  # text messages that were sent, failed, or over the limit
        self.stanza_errors: Counter[str] = Counter()  # by condition
        self.stream_errors: Counter[str] = Counter()


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
