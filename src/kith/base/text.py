"""Text of people that is shown to others: on one line, so that it can't look like more than it is."""

from __future__ import annotations


def one_line(text: str) -> str:
    """A text without characters that can't be printed, and with single spaces between its words."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
