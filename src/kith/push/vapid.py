"""RFC 8292: how the server shows push services that it is the one a subscription was made for.

The key is derived from the server's secret, so it is as old as that. Subscriptions are bound to the key that
they were made with; when the secret is replaced, those made with the former one still work for a while.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from kith.base.clock import Clock
from kith.base.secret import Secret

#: The use of the secret (`Secret.key`).
USE = "vapid"
#: The order of the group of P-256 (SEC 2, §2.4.2).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: For how long a token is valid, and from which age on it is not used any more, in seconds.
_VALID, _USED = 12 * 3600, 6 * 3600
#: For how many services and keys tokens are kept.
_KEPT = 256


class Vapid:
    """Makes tokens for push services. ``contact``: a URI by which their operators reach this one."""

    def __init__(self, secret: Secret, clock: Clock, contact: str) -> None:
        self._keys = {generation: _key(seed) for generation, seed in secret.keys(USE).items()}
        self._clock = clock
        self._contact = contact
        self.generation = secret.generation
        self._token = lru_cache(_KEPT)(self._make)

    @property
    def public_key(self) -> str:
        """The key for new subscriptions, as `PushManager.subscribe` takes it: base64url of the point."""
        point = self._keys[self.generation].public_key()
        encoded = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return urlsafe_b64encode(encoded).decode().rstrip("=")

    def knows(self, generation: int) -> bool:
        """Whether the key of a generation is still there."""
        return generation in self._keys

    def authorization(self, origin: str, generation: int) -> str:
        """The header Authorization for a push service, given its origin (RFC 8292 §3)."""
        return self._token(origin, generation, int(self._clock.now() // _USED))

    def _make(self, origin: str, generation: int, period: int) -> str:
        claims = {"aud": origin, "exp": period * _USED + _VALID, "sub": self._contact}
        headers = Vapid02(private_key=self._keys[generation], conf={"no-strict": True}).sign(claims)
        return str(headers["Authorization"])


def _key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())
