"""Ids of log entries: 63-bit numbers that sort by time. Their text form sorts in the same way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_SHIFT = 20  # bits for the entries of one millisecond
_LAST = (1 << 63) - 1
_EPOCH = datetime.fromtimestamp(0, UTC)
_DIGITS = frozenset("0123456789abcdef")


class Ids:
    """Makes ids. Each is greater than all earlier ones of the same slot, even if the clock is set back.

    So the ids of a log are in the order of its commits, provided that only one node at a time makes ids for
    a slot, and that it continues after the ids of the previous node (`gained`).

    ``now``: gives the time of day in seconds since 1970. ``counters``: 1 for a node that runs alone, which
    uses one counter for all slots. In a cluster each slot has its own counter (`kith.base.slots.SLOTS`);
    otherwise one slot whose previous node had a wrong clock would affect all others.
    """

    __slots__ = ("_last", "_now")

    def __init__(self, now: Callable[[], float], counters: int = 1) -> None:
        self._now = now
        self._last = [0] * counters

    def next(self, *slots: int) -> int:
        """Makes an id for a message that is added to logs in these slots."""
        last = self._last
        id = int(self._now() * 1000) << _SHIFT
        if len(last) == 1:
            if last[0] >= id:
                id = last[0] + 1
            last[0] = id
            return id
        for slot in slots:
            if last[slot] >= id:
                id = last[slot] + 1
        for slot in slots:
            last[slot] = id
        return id

    def gained(self, slot: int, last: int) -> None:
        """Continues the ids of a slot after ``last``, its greatest id.

        For a node that runs alone, any slot means all slots.
        """
        slot %= len(self._last)
        self._last[slot] = max(self._last[slot], last)

    def ahead(self) -> float:
        """How many seconds the greatest id is ahead of the clock; negative if it is not."""
        return (max(self._last) >> _SHIFT) / 1000 - self._now()


def to_text(id: int) -> str:
    """The text form of an id: 16 hexadecimal digits."""
    return f"{id:016x}"


def from_text(text: str) -> int:
    """Parses the text form of an id. Raises ValueError."""
    if len(text) != 16 or not _DIGITS.issuperset(text) or (id := int(text, 16)) > _LAST:
        raise ValueError("not a log id")
    return id


def when(id: int) -> datetime:
    """The time of an entry, in UTC. Entries of the same millisecond get times one microsecond apart.

    Some clients sort by time, and would otherwise show messages of the same millisecond in any order.
    """
    number = min(id & ((1 << _SHIFT) - 1), 999)
    return _EPOCH + timedelta(milliseconds=id >> _SHIFT, microseconds=number)


def first_at(moment: datetime) -> int:
    """The smallest id that an entry of this time can have."""
    return _at(_microseconds(moment))


def first_after(moment: datetime) -> int:
    """The smallest id that an entry after this time can have.

    A time in whole milliseconds means the entire millisecond, since many programs have no finer resolution.
    """
    microseconds = _microseconds(moment)
    return _at(microseconds + (1 if microseconds % 1000 else 1000))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _at(microseconds: int) -> int:
    """The smallest id of a time in microseconds since 1970, limited to the range of ids."""
    milliseconds, number = divmod(microseconds, 1000)
    return min(max((milliseconds << _SHIFT) + number, 0), _LAST)


def stamp(moment: datetime) -> str:
    """Formats a time as an XEP-0082 DateTime with microseconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@lru_cache(256)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def stamp_of(id: int) -> str:
    """The `stamp` of the time of an entry. Fast for entries of the same second."""
    seconds, milliseconds = divmod(id >> _SHIFT, 1000)
    return f"{_second(seconds)}.{milliseconds:03}{min(id & ((1 << _SHIFT) - 1), 999):03}Z"


def parse_stamp(text: str) -> datetime:
    """Parses an XEP-0082 DateTime. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment
