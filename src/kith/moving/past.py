"""Ids for messages from before an import. Logs are ordered by ids that contain the time.

Each gets the id of its millisecond; the lower bits are the number of the log, since no two messages may have
the same id.
"""

from __future__ import annotations

#: The bits of an id below the milliseconds.
SHIFT = 20
#: The half of these bits that the numbering of new messages does not reach.
_HALF = 1 << (SHIFT - 1)


class PastIds:
    """Makes ids for the messages of one log, in the order in which they are read."""

    def __init__(self) -> None:
        self._last = 0  # the millisecond of the last message

    def next(self, milliseconds: int, log: int) -> int:
        """An id of this time, after the last one if that is of the same time or a little later.

        Many servers store times in seconds, so the order of messages in one second is that of the file.
        ``log``: the id of the account or group.
        """
        if milliseconds <= self._last < milliseconds + 1000:
            milliseconds = self._last + 1
        self._last = milliseconds
        return (milliseconds << SHIFT) + _low(log)


def is_past(id: int, log: int) -> bool:
    """Whether an id was made here."""
    return id & ((1 << SHIFT) - 1) == _low(log)


def _low(log: int) -> int:
    return _HALF + log % _HALF
