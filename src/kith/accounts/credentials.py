"""Derives and checks the salted keys that SCRAM stores instead of passwords (RFC 5802 §3, RFC 7677)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from scramp import ScramException, ScramMechanism
from scramp.utils import saslprep

from kith.ports.store import ITERATIONS, Keys

_MECHANISMS = {"SHA-1": "SCRAM-SHA-1", "SHA-256": "SCRAM-SHA-256", "SHA-512": "SCRAM-SHA-512"}
#: The maximum size of a password, in bytes of UTF-8. Preparing it (SASLprep, RFC 4013) takes more than linear
#: time, so a long one would keep the server busy.
MAX_BYTES = 1023


class WeakPassword(ValueError):
    """A password that is not allowed. The text says why, for people."""


def make_keys(password: str, salts: Mapping[str, bytes]) -> dict[str, Keys]:
    """The SCRAM keys of a new password. ``salts`` and the result are by the name of the hash (``SHA-256``).

    Raises WeakPassword if the password is empty, too long, or not allowed by SASLprep (RFC 4013).
    """
    if _is_too_long(password):
        raise WeakPassword(f"the password has more than {MAX_BYTES} bytes")
    try:
        if not saslprep(password):
            raise WeakPassword("the password is empty")
        return {name: _keys(_MECHANISMS[name], password, salt, ITERATIONS) for name, salt in salts.items()}
    except ScramException as error:
        reason = str(error).partition(":")[0]
        raise WeakPassword(f"the password can't be used (RFC 4013): {reason}") from None


def check_password(keys: dict[str, Keys], password: str) -> bool:
    """Whether a password belongs to these SCRAM keys, which are by the name of the hash.

    This takes milliseconds on purpose, so call it in a thread.
    """
    if _is_too_long(password):
        return False
    name = next(name for name in ("SHA-256", "SHA-512", "SHA-1") if name in keys)
    known = keys[name]
    try:
        made = _keys(_MECHANISMS[name], password, known.salt, known.iterations)
    except ScramException:
        return False
    return hmac.compare_digest(made.stored_key, known.stored_key)


def _is_too_long(password: str) -> bool:
    return len(password) > MAX_BYTES or len(password.encode(errors="replace")) > MAX_BYTES


def _keys(mechanism: str, password: str, salt: bytes, iterations: int) -> Keys:
    salt, stored_key, server_key, count = ScramMechanism(mechanism).make_auth_info(password, iterations, salt)
    return Keys(salt, stored_key, server_key, count)
