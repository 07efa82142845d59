"""XEP-0484: logging in with a token, by the mechanisms of draft-schmaus-kitten-sasl-ht-09.

The client sends a keyed hash of the channel binding, the server answers with another: one round trip.
TLS early data is not accepted, so ``count`` is not asked for; a client that counts may not go back.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from kith.core import clock
from kith.core.devices import Devices, Entry, Token
from kith.core.ports import AccountRecord
from kith.core.sasl import SASLError, Security

#: Finds an account by what the mechanism calls it, and its device of an agent.
Owner = Callable[[str, str], Awaitable[tuple[AccountRecord | None, Entry | None]]]

_BINDINGS = {"ENDP": "tls-server-end-point", "EXPR": "tls-exporter", "UNIQ": "tls-unique"}
_PREFIX = "HT-SHA-256-"
_NOBODY = AccountRecord(0, "", {}, 0)
_NOTHING = Token(bytes(16), "", 0.0)
_MAX_COUNT = 2**31 - 1


def mechanisms(security: Security) -> list[str]:
    """What such a connection offers, with channel binding first."""
    bound = [_PREFIX + name for name, binding in _BINDINGS.items() if binding in security.bindings]
    return [*bound, f"{_PREFIX}NONE"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a client gave: ``data`` is ``authcid NUL proof``, ``count`` None if it does not count."""

    mechanism: str
    data: bytes
    agent: str
    count: int | None


class Proof(NamedTuple):
    """A login that succeeded, with the device as it is after it, to be saved.

    ``final`` is the server's own proof, for ``<additional-data/>``.
    """

    account: AccountRecord
    entry: Entry
    token: Token
    final: bytes


def counted(text: str | None) -> int | None:
    """The ``count`` of ``<fast/>``. Raises SASLError."""
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or not 0 < int(text) <= _MAX_COUNT:
        raise SASLError("malformed-request", "count is a positive number")
    return int(text)


async def verify(attempt: Attempt, security: Security, owner: Owner, devices: Devices) -> Proof:
    """Checks what the client gave. Raises SASLError."""
    if attempt.mechanism not in mechanisms(security):
        raise SASLError("invalid-mechanism")
    user, separator, proof = attempt.data.partition(b"\0")
    if not separator or not attempt.agent:
        raise SASLError("malformed-request")
    try:
        record, entry = await owner(user.decode(), attempt.agent)
    except UnicodeDecodeError:
        raise SASLError("malformed-request") from None
    binding = security.bindings.get(_BINDINGS.get(attempt.mechanism.removeprefix(_PREFIX), ""), b"")
    tokens = (entry.device.new, entry.device.current) if entry is not None else ()
    for token in [token for token in tokens if token is not None] or [_NOTHING]:
        key = devices.token(record or _NOBODY, attempt.agent, token).encode()
        fits = hmac.compare_digest(hmac.digest(key, b"Initiator" + binding, "sha256"), proof)
        if fits and token.mechanism == attempt.mechanism and record is not None and entry is not None:
            _use(entry, token, attempt.count)
            return Proof(record, entry, token, hmac.digest(key, b"Responder" + binding, "sha256"))
    raise SASLError("not-authorized")


def _use(entry: Entry, token: Token, count: int | None) -> None:
    """A proof fits. Raises SASLError if its token is too old, or was counted that far already."""
    if token.expires < clock.now():
        raise SASLError("credentials-expired")
    if count is not None:
        if count <= token.count:
            raise SASLError("not-authorized", "this count was used")
        token.count = count
    entry.device.promote(token)
