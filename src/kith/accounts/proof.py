"""That somebody has shown to have a number, for as long as it takes to find the PIN."""

from __future__ import annotations

import binascii
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

#: Seconds that a proof is good.
LIFETIME = 3600.0


class Proofs:
    """Signed by the server: nothing of them is stored."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock

    def make(self, number: str) -> str:
        """For a number whose code was right a moment ago."""
        until = int(self._clock() + LIFETIME).to_bytes(8, "big")
        return urlsafe_b64encode(until + self._sign(number, until)).decode()

    def fits(self, number: str, proof: str) -> bool:
        """Whether it is one for the number, and still good."""
        try:
            given = urlsafe_b64decode(proof)
        except (binascii.Error, ValueError):
            return False
        until, signature = given[:8], given[8:]
        good = hmac.compare_digest(signature, self._sign(number, until))
        return good and int.from_bytes(until, "big") > self._clock()

    def _sign(self, number: str, until: bytes) -> bytes:
        return hmac.digest(self._secret, until + number.encode(), "sha256")
