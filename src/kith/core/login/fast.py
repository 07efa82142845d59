"""Login with a token (XEP-0484), by the mechanisms of draft-schmaus-kitten-sasl-ht-09.

The client sends a hash of the channel binding with the token as the key, and the server answers with another:
one round trip. TLS early data is not accepted, so ``count`` is not required. A client that has sent it once
has to send it each time, with a higher value; otherwise a recorded request could be replayed without it.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from kith.core.login.sasl import SASLError
from kith.ports.connection import Security
from kith.ports.store import AccountRecord
from kith.records.device import Entry, Token
from kith.records.devices import Devices

#: Finds an account by the name that the mechanism has sent, and the account's device for a user agent.
Owner = Callable[[str, str], Awaitable[tuple[AccountRecord | None, Entry | None]]]

_BINDINGS = {"ENDP": "tls-server-end-point", "EXPR": "tls-exporter", "UNIQ": "tls-unique"}
_PREFIX = "HT-SHA-256-"
_NOBODY = AccountRecord(0, "", {}, 0)
_NOTHING = Token(bytes(16), "", 0.0)
_MAX_COUNT = 2**31 - 1


def mechanisms(security: Security) -> list[str]:
    """The mechanisms for a connection; those with channel binding first."""
    bound = [_PREFIX + name for name, binding in _BINDINGS.items() if binding in security.bindings]
    return [*bound, f"{_PREFIX}NONE"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A client's request to log in.

    ``data``: the user name, a NUL byte, and the proof. ``agent``: the user-agent id. ``count``: None if the
    client has sent none.
    """

    mechanism: str
    data: bytes
    agent: str
    count: int | None


class Proof(NamedTuple):
    """A successful login. The caller has to save ``entry``, which was updated.

    ``token``: the one that was used. ``final``: the server's own proof, for ``<additional-data/>``.
    """

    account: AccountRecord
    entry: Entry
    token: Token
    final: bytes


def counted(text: str | None) -> int | None:
    """Parses the ``count`` of ``<fast/>``. Raises SASLError."""
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or not 0 < int(text) <= _MAX_COUNT:
        raise SASLError("malformed-request", "count is a positive number")
    return int(text)


async def verify(attempt: Attempt, security: Security, owner: Owner, devices: Devices, now: float) -> Proof:
    """Checks the proof of a client. Raises SASLError if no token of a device matches it."""
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
            was_good = keys.matches(token, proof) or was_good
        for valid in (one.device.new, one.device.current) if one is not None else ():
            was_good = was_good or (valid is not None and devices.is_void(valid))
    # XEP-0484 §4.2: a token that was valid once is reported as expired, any other as wrong
    raise SASLError("credentials-expired" if was_good else "not-authorized")


class _Keys:
    """Computes the proofs of client and server for the tokens of an account and a user agent."""

    def __init__(self, devices: Devices, record: AccountRecord, agent: str, binding: bytes) -> None:
        self._devices = devices
        self._record = record
        self._agent = agent
        self._binding = binding

    def _digest(self, token: Token, role: bytes) -> bytes:
        key = self._devices.token(self._record, self._agent, token).encode()
        return hmac.digest(key, role + self._binding, "sha256")

    def matches(self, token: Token, proof: bytes) -> bool:
        """Whether a client's proof was made with a token."""
        return hmac.compare_digest(self._digest(token, b"Initiator"), proof)

    def proof(self, entry: Entry | None, attempt: Attempt, proof: bytes, now: float) -> Proof | None:
        """The successful login, or None if the proof was not made with a token of this device.

        Raises SASLError.
        """
        tokens = (entry.device.new, entry.device.current) if entry is not None else ()
        for token in [token for token in tokens if token is not None] or [_NOTHING]:
            matches = self.matches(token, proof)
            if matches and token.mechanism == attempt.mechanism and self._record.jid and entry is not None:
                _use(entry, token, attempt.count, now)
                return Proof(self._record, entry, token, self._digest(token, b"Responder"))
        return None


def _use(entry: Entry, token: Token, count: int | None, now: float) -> None:
    """Notes that a token was used. Raises SASLError if the token has expired, or the count has not grown."""
    if token.expires < now:
        raise SASLError("credentials-expired")
    if (count or 0) <= token.count and (count is not None or token.count):
        raise SASLError("not-authorized", "the count has to grow, and can't be left out again")
    token.count = count or token.count
    entry.device.promote(token)
