"""The field Retry-After of answers (RFC 9110 §10.2.3)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def seconds(value: str | None, now: float) -> float:
    """The seconds that are asked for, by a number or a date; 0 if nothing is that can be understood."""
    if not value:
        return 0.0
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
