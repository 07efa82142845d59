"""Numbers as XMPP writes them: ASCII digits, without the other forms that Python's ``int`` accepts."""

from __future__ import annotations

import re

#: White space that may surround a value (XML Schema, part 2, §4.3.6).
_SPACE = " \t\r\n"
_DIGITS = re.compile("[0-9]+")
_SIGNED = re.compile("[+-]?[0-9]{1,9}")
#: The number of digits beyond which numbers are treated as equal.
_LONGEST = 18


def natural(text: str) -> int:
    """A number that is at least 0. More than 18 digits give the largest number with 18. Raises ValueError."""
    text = text.strip(_SPACE)
    if _DIGITS.fullmatch(text) is None:
        raise ValueError("not a number")
    text = text.lstrip("0")
    return int(text or "0") if len(text) <= _LONGEST else 10**_LONGEST - 1


def integer(text: str) -> int:
    """A number of at most nine digits, with or without a sign. Raises ValueError."""
    text = text.strip(_SPACE)
    if _SIGNED.fullmatch(text) is None:
        raise ValueError("not a number")
    return int(text)
