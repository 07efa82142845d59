"""Decides for how many messages a commit waits.

A commit costs several times as much as one more message in it. At a few hundred messages per second it pays
to wait for others; but a single message, or a sender that waits for each answer before it writes the next
message, should not be delayed. So a commit waits for as many messages as arrive in `SPAN` on average, but
for no more than there were different senders recently, each of which may be waiting for an answer, or than
were recently in progress at the same time. If the others don't come (two people who answer each other are
two senders, of whom only one writes at a time), the next commits wait for fewer.

Waiting for a number rather than for a time keeps the median low: the message that completes the number does
not wait at all, the one before it waits only for that one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import exp

#: From this number of messages per second on, commits wait for more messages.
BUSY = 400
#: A commit waits for as many messages as arrive in this time on average, in seconds.
SPAN = 0.003
#: The number of messages beyond which larger commits are hardly more efficient.
ENOUGH = 64
#: The period for which the rate of messages is measured, in seconds.
_PERIOD = 0.1
#: How many recent commits are considered.
_COMMITS = 8
#: By how much each commit raises the number of senders to expect, after some have not come.
_HOPE = 1 / 64


class Gathering:
    """Learns of each commit, and computes for how many messages the next one should wait.

    Times are in seconds, of any monotonic clock.
    """

    __slots__ = ("_hope", "_rate", "_seen", "_senders", "_since")

    def __init__(self) -> None:
        self._rate = 0.0  # messages per second
        self._since = 0.0
        self._seen: deque[int] = deque([1], _COMMITS)  # unanswered messages at the end of each commit
        self._senders: deque[str] = deque(maxlen=ENOUGH)  # of the last messages
        self._hope = float(ENOUGH)  # how many of the senders to expect

    def committed(self, senders: Sequence[str], under_way: int, now: float) -> None:
        """Notes the end of a commit of messages with these senders.

        ``under_way`` messages, including them, were unanswered.
        """
        self._rate = self._rate * exp((self._since - now) / _PERIOD) + len(senders) / _PERIOD
        self._since = now
        self._seen.append(under_way)
        self._senders.extend(senders)
        self._hope = min(self._hope + _HOPE, ENOUGH)

    def in_vain(self, came: int) -> None:
        """Notes that a commit has waited its time, and only ``came`` messages came."""
        self._hope = float(came)

    def wanted(self, now: float) -> int:
        """How many messages are enough for a commit now; 1 if it should not wait."""
        rate = self._rate * exp((self._since - now) / _PERIOD)
        if rate < BUSY:
            return 1
        company = min(len(set(self._senders)), int(self._hope))
        return min(max(company, *self._seen), 1 + round(rate * SPAN), ENOUGH)
