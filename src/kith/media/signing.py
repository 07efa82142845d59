"""Signatures of requests between message servers and media servers, and of their answers.

Both have the same secret (setting ``media_secret``). A request carries the time and a random nonce, so that
it can't be repeated by somebody who has seen it; the answer is signed together with the request's nonce.
"""

from __future__ import annotations

import hmac
from collections import deque

#: What the key of these signatures is derived for (`kith.base.secret.Secret.key`).
CONTROL = "media control"
#: The header fields of the time (seconds since 1970), the nonce and the signature.
TIME, NONCE, SIGNATURE = "Kith-Time", "Kith-Nonce", "Kith-Signature"
#: How far the clocks of both may be apart, in seconds.
SKEW = 60


def sign_request(key: bytes, time: str, nonce: str, body: bytes) -> str:
    """The signature of a request: HMAC-SHA-256 in hexadecimal."""
    return hmac.digest(key, b"request\n" + f"{time}\n{nonce}\n".encode() + body, "sha256").hex()


def sign_answer(key: bytes, nonce: str, body: bytes) -> str:
    """The signature of the answer to a request with this nonce."""
    return hmac.digest(key, b"answer\n" + f"{nonce}\n".encode() + body, "sha256").hex()


class Unsigned(Exception):
    """A request is not signed with the secret, is too old, or was received before. The text says which."""


class Gatekeeper:
    """Accepts each signed request once."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: set[str] = set()
        self._order: deque[tuple[float, str]] = deque()

    def check(self, time: str, nonce: str, signature: str, body: bytes, now: float) -> None:
        """``now``: the time of day. Raises Unsigned."""
        if not (time + nonce + signature).isascii():
            raise Unsigned("its header fields are not all ASCII")
        if not hmac.compare_digest(sign_request(self._key, time, nonce, body).encode(), signature.encode()):
            raise Unsigned("the signature is wrong: do both servers have the same media_secret?")
        if not time.isdecimal() or abs(int(time) - now) > SKEW:
            raise Unsigned("the time of the request is wrong: compare the clocks of both servers")
        while self._order and self._order[0][0] < now - 2 * SKEW:
            self._seen.discard(self._order.popleft()[1])
        if nonce in self._seen:
            raise Unsigned("the request was received before")
        self._seen.add(nonce)
        self._order.append((now, nonce))
