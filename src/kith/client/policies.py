"""Ready-made trust policies for `kith.client.Client`: what to do with a key that was never seen before.

A policy is a function of the new key and the other keys of the same account. It returns `Trust.BLIND` to
encrypt for the key, `Trust.UNDECIDED` to wait for `Client.trust` or `Client.verify`, or `Trust.DISTRUSTED`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kith.client.message import Fingerprint, Trust

TrustPolicy = Callable[[Fingerprint, Sequence[Fingerprint]], Trust]


def blind_before_verification(new: Fingerprint, others: Sequence[Fingerprint]) -> Trust:
    """Trusts new keys of an account until one of its keys was verified (XEP-0450). This is the default."""
    return Trust.UNDECIDED if any(key.trust is Trust.VERIFIED for key in others) else Trust.BLIND


def trust_all(new: Fingerprint, others: Sequence[Fingerprint]) -> Trust:
    """Trusts every new key, for bots that nobody looks after. Whoever runs a server can then read along."""
    return Trust.BLIND


def trust_verified_only(new: Fingerprint, others: Sequence[Fingerprint]) -> Trust:
    """Trusts no key by itself: nothing is encrypted for a device before `Client.trust` or `Client.verify`."""
    return Trust.UNDECIDED
