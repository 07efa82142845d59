"""Ids of log entries: 63-bit numbers that sort by time, written so that the text sorts too."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_SHIFT = 20  # room for a million entries in a millisecond
_MAX = 2**63 - 1
_DIGITS = frozenset("0123456789abcdef")


class Ids:
    """Makes ids; each is greater than any before it, even when the clock is set back."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self) -> int:
        now = int(time.time() * 1000) << _SHIFT
        self.last = now if now > self.last else self.last + 1
        return self.last


def to_text(id: int) -> str:
    """16 hexadecimal digits."""
    return f"{id:016x}"


def from_text(text: str) -> int:
    """The id; ValueError if it is none."""
    if len(text) != 16 or not _DIGITS.issuperset(text) or (id := int(text, 16)) > _MAX:
        raise ValueError("not a log id")
    return id


def when(id: int) -> datetime:
    """The time of an entry, to the millisecond, in UTC."""
    return datetime.fromtimestamp((id >> _SHIFT) / 1000, UTC)


def first_at(moment: datetime) -> int:
    """The least id that an entry of that moment can have; the least or greatest of all for other ages."""
    return max(0, min(int(moment.timestamp() * 1000) << _SHIFT, _MAX))


def stamp(moment: datetime) -> str:
    """XEP-0082 DateTime with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_stamp(text: str) -> datetime:
    """A XEP-0082 DateTime; ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment
