"""What has happened since the start, as plain numbers: counting one costs next to nothing.

Who watches the server reads them (`kith.metrics`); nothing here knows how they are shown.
"""

from __future__ import annotations

from collections import Counter


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
