"""Counters of what happened since the start. They are plain numbers, so that counting costs next to nothing.

`kith.metrics` reads them for Prometheus.
"""

from __future__ import annotations

from collections import Counter


class Figures:
    """The counters of a server. All of them only grow, except ``sessions``, the number of bound sessions."""

    __slots__ = (
        "delivered",
        "foreign",
        "iqs",
        "logins",
        "messages",
        "presences",
        "pushes",
        "replayed",
        "sessions",
        "sms",
        "sms_countries",
        "sms_gateways",
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
        self.sms_countries: Counter[tuple[str, str]] = Counter()  # the same by country and result
        self.sms_gateways: Counter[tuple[str, str]] = Counter()  # by a gateway's host and result
        self.pushes: Counter[tuple[str, str]] = Counter()  # by carrier and result: sent, failed, ended
        self.stanza_errors: Counter[str] = Counter()  # by condition
        self.stream_errors: Counter[str] = Counter()
