"""Random numbers and names. Whatever needs them gets a `Randomness`, so that tests can repeat a run."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from random import Random
from typing import TypeVar
from uuid import UUID

_T = TypeVar("_T")


class Randomness:
    """Random values from the operating system, which can't be predicted; in tests, from ``source``."""

    __slots__ = ("_source",)

    def __init__(self, source: Random | None = None) -> None:
        self._source = source or secrets.SystemRandom()

    def bytes(self, count: int) -> bytes:
        """``count`` random bytes."""
        return self._source.randbytes(count)

    def hex(self, count: int) -> str:
        """``count`` random bytes as hexadecimal digits, two for each byte."""
        return self.bytes(count).hex()

    def token(self, count: int) -> str:
        """``count`` random bytes as base64url without padding (RFC 4648 §5)."""
        return urlsafe_b64encode(self.bytes(count)).decode().rstrip("=")

    def uuid(self) -> str:
        """A random UUID (version 4, RFC 9562 §5.4)."""
        return str(UUID(bytes=self.bytes(16), version=4))

    def below(self, limit: int) -> int:
        """A random integer from 0 to ``limit`` - 1."""
        return self._source.randrange(limit)

    def choice(self, among: Sequence[_T]) -> _T:
        """A random element of a sequence that is not empty."""
        return self._source.choice(among)

    def uniform(self, low: float, high: float) -> float:
        """A random number from ``low`` to ``high``."""
        return self._source.uniform(low, high)
