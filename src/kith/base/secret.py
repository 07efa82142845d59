"""The secret that a server's keys are derived from, and what is left of former ones."""

from __future__ import annotations

import hmac
from collections.abc import Mapping


class Secret:
    """Random bytes that only this server has.

    Each use gets a key of its own, which discloses nothing about other keys. When an operator replaces the
    secret (``kith secret rotate``), the new one has the next ``generation``, and some keys of former
    generations stay, to check what was made with them.
    """

    __slots__ = ("_former", "_lasting", "_secret", "generation")

    def __init__(
        self,
        secret: bytes,
        generation: int = 0,
        former: Mapping[str, Mapping[int, bytes]] | None = None,
        lasting: Mapping[str, bytes] | None = None,
    ) -> None:
        """``former``: keys of former generations, by use and generation. ``lasting``: by use, the keys that
        never change; if a use has none, it is the key of this secret."""
        self._secret = secret
        self.generation = generation
        self._former = former or {}
        self._lasting = lasting or {}

    def key(self, use: str) -> bytes:
        """The key for a use, which is named: 32 bytes, the same for each secret (HMAC-SHA-256)."""
        return hmac.digest(self._secret, use.encode(), "sha256")

    def keys(self, use: str) -> dict[int, bytes]:
        """The keys for a use by generation: the present one, and the former ones that are still valid."""
        return {**self._former.get(use, {}), self.generation: self.key(use)}

    def lasting(self, use: str) -> bytes:
        """The key for a use of the server's first secret, which stays when the secret is replaced."""
        return self._lasting.get(use) or self.key(use)
