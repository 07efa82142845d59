"""Passwords as SCRAM keeps them (RFC 5802 §3, RFC 7677): salted keys, never the password."""

from __future__ import annotations

import hmac
import secrets

from scramp import ScramException, ScramMechanism

from kith.core.ports import ITERATIONS, Keys

_MECHANISMS = {"SHA-1": "SCRAM-SHA-1", "SHA-256": "SCRAM-SHA-256"}


class WeakPassword(ValueError):
    """A password that can't be used; the text says why."""


def make_keys(password: str) -> dict[str, Keys]:
    """Keys of a new password for each hash. Raises WeakPassword if it is empty or can't be prepared."""
    if not password:
        raise WeakPassword("the password is empty")
    try:
        return {
            name: _keys(mechanism, password, secrets.token_bytes(16), ITERATIONS)
            for name, mechanism in _MECHANISMS.items()
        }
    except ScramException as error:
        raise WeakPassword(f"the password can't be used: {error}") from None


def check_password(keys: dict[str, Keys], password: str) -> bool:
    """Whether the password has these keys. Takes milliseconds on purpose: call it in a thread."""
    known = keys["SHA-256"]
    try:
        made = _keys(_MECHANISMS["SHA-256"], password, known.salt, known.iterations)
    except ScramException:
        return False
    return hmac.compare_digest(made.stored_key, known.stored_key)


def _keys(mechanism: str, password: str, salt: bytes, iterations: int) -> Keys:
    salt, stored_key, server_key, count = ScramMechanism(mechanism).make_auth_info(password, iterations, salt)
    return Keys(salt, stored_key, server_key, count)
