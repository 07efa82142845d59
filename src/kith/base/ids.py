"""Ids of log entries: 63-bit numbers that sort by time, written so that the text sorts too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_SHIFT = 20  # room for a million entries in a millisecond
_LAST = (1 << 63) - 1
_EPOCH = datetime.fromtimestamp(0, UTC)
_DIGITS = frozenset("0123456789abcdef")


class Ids:
    """Makes ids. Each is greater than all before it of the same slot, even when the clock is set back.

    So the order of a log's ids is that of its commits, as long as one node at a time makes the ids of a slot,
    and goes on after those of the node before it (`gained`).

    ``now`` is the time of day in seconds since 1970. ``counters`` is 1 for a node that is alone: one counter
    serves all slots. One of many nodes has a counter for each (`kith.base.slots.SLOTS`), or a slot whose last
    node had a wrong clock would take the others with it.
    """

    __slots__ = ("_last", "_now")

    def __init__(self, now: Callable[[], float], counters: int = 1) -> None:
        self._now = now
        self._last = [0] * counters

    def next(self, *slots: int) -> int:
        """An id for a message that enters logs in these slots."""
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
        """This node makes the slot's ids from now on; ``last`` is the greatest one that it has had.

        For a node that is alone, any slot stands for all.
        """
        slot %= len(self._last)
        self._last[slot] = max(self._last[slot], last)

    def ahead(self) -> float:
        """How many seconds the greatest id is ahead of the clock; below 0 if it is not."""
        return (max(self._last) >> _SHIFT) / 1000 - self._now()


def to_text(id: int) -> str:
    """16 hexadecimal digits."""
    return f"{id:016x}"


def from_text(text: str) -> int:
    """The id; ValueError if it is none."""
    if len(text) != 16 or not _DIGITS.issuperset(text) or (id := int(text, 16)) > _LAST:
        raise ValueError("not a log id")
    return id


def when(id: int) -> datetime:
    """The time of an entry, in UTC. Those of one millisecond are told to be a microsecond apart.

    Some clients sort by time, and would show what was written in one go in any order.
    """
    number = min(id & ((1 << _SHIFT) - 1), 999)
    return _EPOCH + timedelta(milliseconds=id >> _SHIFT, microseconds=number)


def first_at(moment: datetime) -> int:
    """The least id that an entry of that moment can have."""
    return _at(_microseconds(moment))


def first_after(moment: datetime) -> int:
    """The least id of what is later.

    A whole millisecond stands for all of it, since many programs know no finer time.
    """
    microseconds = _microseconds(moment)
    return _at(microseconds + (1 if microseconds % 1000 else 1000))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _at(microseconds: int) -> int:
    """The least id of a time since 1970; of the nearest one that ids can have."""
    milliseconds, number = divmod(microseconds, 1000)
    return min(max((milliseconds << _SHIFT) + number, 0), _LAST)


def stamp(moment: datetime) -> str:
    """XEP-0082 DateTime with microseconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@lru_cache(256)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def stamp_of(id: int) -> str:
    """The `stamp` of the time of an entry; those that are read together are mostly of the same seconds."""
    seconds, milliseconds = divmod(id >> _SHIFT, 1000)
    return f"{_second(seconds)}.{milliseconds:03}{min(id & ((1 << _SHIFT) - 1), 999):03}Z"


def parse_stamp(text: str) -> datetime:
    """A XEP-0082 DateTime; ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment
