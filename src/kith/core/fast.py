"""XEP-0484: logging in with a token, by the mechanisms of draft-schmaus-kitten-sasl-ht.

The client sends a keyed hash of the channel binding, the server answers with another: one round trip.
TLS early data is not accepted, so there is nothing to replay and ``count`` is not asked for.
"""

from __future__ import annotations

import hmac
import time
from typing import NamedTuple

from kith.core.devices import Device, Devices, Token
from kith.core.ports import AccountRecord
from kith.core.sasl import Lookup, SASLError, Security

_BINDINGS = {"ENDP": "tls-server-end-point", "UNIQ": "tls-unique"}
_PREFIX = "HT-SHA-256-"
_NOBODY = Token(bytes(16), "", 0.0)


def mechanisms(security: Security) -> list[str]:
    """What such a connection offers, with channel binding first."""
    bound = [_PREFIX + name for name, binding in _BINDINGS.items() if binding in security.bindings]
    return [*bound, f"{_PREFIX}NONE"]


class Proof(NamedTuple):
    """A login that succeeded; ``final`` is the server's own proof, for ``<additional-data/>``."""

    account: AccountRecord
    device: Device
    token: Token
    final: bytes


async def verify(
    mechanism: str, data: bytes, id: str, security: Security, lookup: Lookup, devices: Devices
) -> Proof:
    """Checks the client's message, ``authcid NUL proof``, of the device ``id``. Raises SASLError."""
    if mechanism not in mechanisms(security):
        raise SASLError("invalid-mechanism")
    user, separator, proof = data.partition(b"\0")
    if not separator or not id:
        raise SASLError("malformed-request")
    try:
        record = await lookup(user.decode())
    except UnicodeDecodeError:
        raise SASLError("malformed-request") from None
    device = await devices.get(record.id, id) if record is not None else None
    binding = security.bindings.get(_BINDINGS.get(mechanism.removeprefix(_PREFIX), ""), b"")
    found = [t for t in (device.new, device.current) if t is not None] if device is not None else []
    for token in found or [_NOBODY]:
        key = devices.derive(record.id if record is not None else 0, id, token).encode()
        fits = hmac.compare_digest(hmac.digest(key, b"Initiator" + binding, "sha256"), proof)
        if fits and token.mechanism == mechanism and record is not None and device is not None:
            if token.expires < time.time():
                raise SASLError("credentials-expired")
            return Proof(record, device, token, hmac.digest(key, b"Responder" + binding, "sha256"))
    raise SASLError("not-authorized")
