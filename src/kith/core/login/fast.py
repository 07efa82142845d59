"""XEP-0484: logging in with a token, by the mechanisms of draft-schmaus-kitten-sasl-ht-09.

The client sends a keyed hash of the channel binding, the server answers with another: one round trip.
TLS early data is not accepted, so ``count`` is not asked for; a client that counts may not go back, nor stop
counting: a request that was recorded would be good again without its count.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from kith.core.login.sasl import SASLError
from kith.ports.connection import Security
from kith.ports.store import AccountRecord
from kith.records.devices import Devices, Entry, Token

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


async def verify(attempt: Attempt, security: Security, owner: Owner, devices: Devices, now: float) -> Proof:
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
    keys = _Keys(devices, record or _NOBODY, attempt.agent, binding)
    if (found := keys.proof(entry, attempt, proof, now)) is not None:
        return found
    others = await devices.of_apps((record or _NOBODY).id, attempt.agent)
    for other in others:
        if (found := keys.proof(other, attempt, proof, now)) is not None:
            return found
    was_good = await devices.was_known((record or _NOBODY).id, attempt.agent)
    for one in (entry, *others):
        for token in one.device.retired if one is not None else ():
            was_good = keys.fits(token, proof) or was_good
    # XEP-0484 §4.2: a token that is not trusted any more has expired; one that never was is wrong
    raise SASLError("credentials-expired" if was_good else "not-authorized")


class _Keys:
    """What a client with a token would send, and be answered."""

    def __init__(self, devices: Devices, record: AccountRecord, agent: str, binding: bytes) -> None:
        self._devices = devices
        self._record = record
        self._agent = agent
        self._binding = binding

    def _digest(self, token: Token, role: bytes) -> bytes:
        key = self._devices.token(self._record, self._agent, token).encode()
        return hmac.digest(key, role + self._binding, "sha256")

    def fits(self, token: Token, proof: bytes) -> bool:
        return hmac.compare_digest(self._digest(token, b"Initiator"), proof)

    def proof(self, entry: Entry | None, attempt: Attempt, proof: bytes, now: float) -> Proof | None:
        """The login, if it is one with a token of that device. Raises SASLError."""
        tokens = (entry.device.new, entry.device.current) if entry is not None else ()
        for token in [token for token in tokens if token is not None] or [_NOTHING]:
            fits = self.fits(token, proof)
            if fits and token.mechanism == attempt.mechanism and self._record.jid and entry is not None:
                _use(entry, token, attempt.count, now)
                return Proof(self._record, entry, token, self._digest(token, b"Responder"))
        return None


def _use(entry: Entry, token: Token, count: int | None, now: float) -> None:
    """A proof fits. Raises SASLError if its token is too old, or was counted that far already."""
    if token.expires < now:
        raise SASLError("credentials-expired")
    if (count or 0) <= token.count and (count is not None or token.count):
        raise SASLError("not-authorized", "the count has to grow, and can't be left out again")
    token.count = count or token.count
    entry.device.promote(token)
