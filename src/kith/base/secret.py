"""The secret that a server's keys are derived from."""

from __future__ import annotations

import hmac


class Secret:
    """Random bytes that only this server has.

    Each use gets a key of its own, which discloses nothing about other keys.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, use: str) -> bytes:
        """The key for a use, which is named: 32 bytes, always the same (HMAC-SHA-256)."""
        return hmac.digest(self._secret, use.encode(), "sha256")
