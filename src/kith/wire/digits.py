"""Numbers as XMPP writes them: digits of ASCII, and nothing else that Python would take for a number."""

from __future__ import annotations

import re

#: What XML calls white space may stand around a value (XML Schema, part 2, §4.3.6).
_SPACE = " \t\r\n"
_DIGITS = re.compile("[0-9]+")
_SIGNED = re.compile("[+-]?[0-9]{1,9}")
#: More digits than anything that is counted has: a greater number is as good as this one.
_LONGEST = 18


def natural(text: str) -> int:
    """A number from 0 on; one of more than 18 digits is the greatest that has 18. Raises ValueError."""
    text = text.strip(_SPACE)
    if _DIGITS.fullmatch(text) is None:
        raise ValueError("not a number")
    text = text.lstrip("0")
    return int(text or "0") if len(text) <= _LONGEST else 10**_LONGEST - 1


def integer(text: str) -> int:
    """A number with a sign or without, of nine digits at most. Raises ValueError."""
    text = text.strip(_SPACE)
    if _SIGNED.fullmatch(text) is None:
        raise ValueError("not a number")
    return int(text)
