"""Refusals: why something can't be done with an account. The HTTP API turns them into error responses."""

from __future__ import annotations

from collections.abc import Hashable

from kith.base.rates import RateLimit


class Refused(Exception):
    """A request was refused.

    ``reason``: a key of `REASONS`. ``text``: the reason as a sentence for people. ``wait``: seconds after
    which to try again; 0: not known. ``left``: how many attempts are left. If a PIN is needed next, ``proof``
    proves that the code was correct, and ``silence`` is the seconds until a code is enough without the PIN.
    """

    def __init__(
        self,
        reason: str,
        text: str,
        wait: float = 0.0,
        left: int | None = None,
        proof: str | None = None,
        silence: float | None = None,
    ) -> None:
        super().__init__(text)
        assert reason in REASONS, reason
        self.reason = reason
        self.text = text
        self.wait = wait
        self.left = left
        self.proof = proof
        self.silence = silence


#: The HTTP status of each reason (RFC 9110 §15).
REASONS = {
    "bad-request": 400,
    "invalid-number": 422,
    "invalid-element": 422,
    "invalid-subscription": 422,
    "country-not-served": 422,
    "weak-password": 422,
    "not-authorized": 401,
    "forbidden": 403,
    "encryption-required": 403,
    "account-disabled": 403,
    "banned": 403,
    "registration-closed": 403,
    "wrong-password": 403,
    "wrong-code": 403,
    "expired-code": 403,
    "pin-required": 403,
    "wrong-pin": 403,
    "expired": 403,
    "not-found": 404,
    "conflict": 409,
    "unsupported-media-type": 415,
    "too-many": 429,
    "unavailable": 503,
}


def count(limit: RateLimit, key: Hashable, now: float) -> None:
    """Counts an event for a key. Raises Refused, without counting it, if the limit is reached."""
    if not limit.take(key, now):
        raise too_many(limit.wait(key, now))


def too_many(wait: float) -> Refused:
    """The refusal of something that was done too often. ``wait``: seconds until it is allowed again."""
    return Refused("too-many", f"Too many requests. Try again in {spell(wait)}.", wait)


def spell(seconds: float) -> str:
    """A duration in words for people, rounded up."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds > size:
            count = -int(-seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    count = max(1, -int(-seconds // 1))
    return f"{count} second{'' if count == 1 else 's'}"
