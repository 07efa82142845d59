"""Errors for messages of another server that this may not have yet, and how much it may forget meanwhile."""

from __future__ import annotations

import itertools


class UnconfirmedRefusals:
    """Of one incoming stream, in the order of the messages.

    A server that is told that a message was handled (XEP-0198) forgets it. So nothing from the first refused
    message on is acknowledged before that server has the error.
    """

    __slots__ = ("_before", "_numbers")

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._before: dict[int, int] = {}  # by refusal, what was handled before it

    def __bool__(self) -> bool:
        return bool(self._before)

    def add(self, handled: int) -> int:
        """A message was refused, after so many stanzas were handled. Returns a number for `remove`."""
        number = next(self._numbers)
        self._before[number] = handled
        return number

    def remove(self, number: int) -> None:
        """The other server has the error, or can't be reached."""
        self._before.pop(number, None)

    def limit(self, handled: int) -> int:
        """How many of so many handled stanzas the other server may forget."""
        return min(handled, next(iter(self._before.values()), handled))
