"""What a server's keys are derived from."""

from __future__ import annotations

import hmac


class Secret:
    """Random bytes that only this server has.

    Each use has its own key, which discloses nothing about the others.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, use: str) -> bytes:
        """The key for one use: 32 bytes, the same each time."""
        return hmac.digest(self._secret, use.encode(), "sha256")
