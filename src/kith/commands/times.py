"""Times as commands show them. All are given in seconds since 1970; 0 stands for never."""

from __future__ import annotations

from datetime import UTC, datetime

from kith.base.ids import stamp


def local_time(seconds: float) -> str:
    """The local time for people, to the minute; empty if it is never."""
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}" if seconds else ""


def utc_time(seconds: float) -> str | None:
    """The time in UTC for programs (XEP-0082); None if it is never."""
    return stamp(datetime.fromtimestamp(seconds, UTC)) if seconds else None
