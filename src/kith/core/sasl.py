"""SASL as servers speak it (RFC 6120 §6, RFC 5802, RFC 7677, XEP-0440), around scramp."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from scramp import ScramException, ScramMechanism
from scramp.core import ServerError

from kith.core.ports import ITERATIONS, AccountRecord, Keys
from kith.wire.jid import parse_jid

#: Looks an account up by its local part, prepared by the caller's rules; None if there is none.
Lookup = Callable[[str], Awaitable[AccountRecord | None]]
#: Whether a password belongs to an account.
Verify = Callable[[AccountRecord, str], Awaitable[bool]]
#: The hash of each mechanism of SCRAM, the best first.
HASHES = {"SCRAM-SHA-512": "SHA-512", "SCRAM-SHA-256": "SHA-256", "SCRAM-SHA-1": "SHA-1"}
#: Those for which every account has keys, but for some that were brought from elsewhere.
BASIC_HASHES = ("SHA-256", "SHA-1")
#: RFC 6120 §6.3.10: how much base64 one step may have.
MAX_STEP = 16 * 1024


class SASLError(Exception):
    """A failure; ``condition`` is one of RFC 6120 §6.5."""

    def __init__(self, condition: str, text: str = "") -> None:
        super().__init__(condition)
        self.condition = condition
        self.text = text


@dataclass(frozen=True, slots=True)
class Security:
    """What the connection offers: ``bindings`` is channel-binding data by type (XEP-0440)."""

    encrypted: bool = False
    trusted: bool = False
    """A loopback connection on which PLAIN without TLS was allowed."""
    bindings: dict[str, bytes] = field(default_factory=dict)
    address: str = ""
    """The peer's IP address, as text."""


def mechanisms(security: Security, hashes: Collection[str] = BASIC_HASHES) -> list[str]:
    """The mechanisms to announce on such a connection, best first; SCRAM with these hashes."""
    if not (security.encrypted or security.trusted):
        return []
    names = [name for name, hash_name in HASHES.items() if hash_name in hashes]
    plus = [f"{name}-PLUS" for name in names] if security.bindings else []
    return [*plus, *names, "PLAIN"]


class Authentication:
    """One attempt. `step` takes what the client sent and gives the challenge, or None when it succeeded.

    Afterwards ``account`` is the one that logged in and ``final`` the data for ``<success/>``.
    """

    def __init__(
        self,
        mechanism: str,
        security: Security,
        hashes: Collection[str],
        lookup: Lookup,
        verify: Verify,
        pepper: bytes,
    ) -> None:
        if mechanism not in mechanisms(security, hashes):
            raise SASLError("invalid-mechanism")
        self.account: AccountRecord | None = None
        self.final = b""
        self.mechanism = mechanism
        self._security = security
        self._lookup = lookup
        self._verify = verify
        self._pepper = pepper
        self._record: AccountRecord | None = None
        self._server: Any = None

    async def step(self, data: bytes) -> bytes | None:
        """Raises SASLError."""
        if self.mechanism == "PLAIN":
            await self._plain(data)
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise SASLError("malformed-request") from None
        if self._server is None:
            return await self._first(text)
        self._last(text)
        return None

    async def _plain(self, data: bytes) -> None:
        try:
            authzid, user, password = data.decode().split("\0")
        except ValueError:
            raise SASLError("malformed-request") from None
        record = await self._lookup(user)
        if record is None or not await self._verify(record, password):
            raise SASLError("not-authorized")
        if authzid and not _names(authzid, record):
            raise SASLError("invalid-authzid")
        self.account = record

    async def _first(self, text: str) -> bytes:
        """The client-first-message (RFC 5802 §7)."""
        plus = self.mechanism.endswith("-PLUS")
        flag, _, rest = text.partition(",")
        binding = None
        if plus:
            kind = flag.removeprefix("p=")
            if kind == flag or kind not in self._security.bindings:
                raise SASLError("malformed-request", "unsupported channel-binding type")
            binding = (kind, self._security.bindings[kind])
        elif flag == "y" and self._security.bindings:
            # RFC 5802 §6: the client believes that no binding was offered, so the list was tampered with
            raise SASLError("not-authorized", "channel binding was offered")
        elif flag not in ("n", "y"):
            raise SASLError("malformed-request")
        attributes = rest.partition(",")[2].split(",")
        user = next((part[2:] for part in attributes if part.startswith("n=")), "")
        user = user.replace("=2C", ",").replace("=3D", "=")
        self._record = await self._lookup(user)
        base = self.mechanism.removesuffix("-PLUS")
        keys = self._keys(user, HASHES[base])
        try:
            server = ScramMechanism(self.mechanism).make_server(
                lambda _: (keys.salt, keys.stored_key, keys.server_key, keys.iterations), binding
            )
            server.set_client_first(text)
            challenge: str = server.get_server_first()
        except ScramException as error:
            raise SASLError("malformed-request", str(error)) from None
        self._server = server
        return challenge.encode()

    def _last(self, text: str) -> None:
        """The client-final-message."""
        server = self._server
        try:
            server.set_client_final(text)
            self.final = server.get_server_final().encode()
        except ScramException as error:
            wrong = error.server_error in (ServerError.INVALID_PROOF, ServerError.CHANNEL_BINDINGS_DONT_MATCH)
            raise SASLError("not-authorized" if wrong else "malformed-request") from None
        if self._record is None:
            raise SASLError("not-authorized")
        self.account = self._record

    def _keys(self, user: str, hash_name: str) -> Keys:
        """The account's keys; for a user who does not exist made-up ones, the same each time."""
        if self._record is not None and hash_name in self._record.keys:
            return self._record.keys[hash_name]
        self._record = None
        salt = hmac.digest(self._pepper, f"{hash_name}:{user}".encode(), "sha256")[:16]
        size = hashlib.new(hash_name.replace("-", "").lower()).digest_size
        return Keys(salt, secrets.token_bytes(size), secrets.token_bytes(size), ITERATIONS)


def _names(authzid: str, record: AccountRecord) -> bool:
    """Whether an authorization identity, prepared as RFC 7622 has it, is the account's."""
    try:
        return str(parse_jid(authzid)) == record.jid
    except ValueError:
        return False
