"""The server side of SASL (RFC 6120 §6, RFC 5802, RFC 7677, XEP-0440), based on scramp."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from scramp import ScramException, ScramMechanism
from scramp.core import CbName, ServerError

from kith.base.randomness import Randomness
from kith.ports.connection import Security
from kith.ports.store import AccountRecord, Keys
from kith.records.passwords import Candidate, Passwords
from kith.wire.jid import MAX_PART, parse_jid

#: Finds the record of an account by a name, which the function prepares; None if there is none.
Lookup = Callable[[str], Awaitable[AccountRecord | None]]
#: Gives the bare address for a user name; empty if the name is not valid.
Naming = Callable[[str], str]
#: Checks a password that the server itself does not know, for a bare address and its record, if there is one.
#: Returns the record of the account, or None if the password is wrong. Raises SASLError.
Outside = Callable[[str, AccountRecord | None, str], Awaitable[AccountRecord | None]]
#: The hash of each SCRAM mechanism, the strongest first.
HASHES = {"SCRAM-SHA-512": "SHA-512", "SCRAM-SHA-256": "SHA-256", "SCRAM-SHA-1": "SHA-1"}
#: The hashes for which every account has keys, except some that were imported.
BASIC_HASHES = ("SHA-256", "SHA-1")
#: The maximum length of the base64 of one step (RFC 6120 §6.3.10).
MAX_STEP = 16 * 1024


# scramp refuses this type, since Python can't give its data; Kith passes the data in (`kith.edge.exporter`)
CbName.SUPPORTED_TYPES |= {"tls-exporter"}
CbName.UNSUPPORTED_TYPES -= {"tls-exporter"}

_WRONG = (ServerError.INVALID_PROOF, ServerError.CHANNEL_BINDINGS_DONT_MATCH)


class SASLError(Exception):
    """A failed login.

    ``condition``: one of RFC 6120 §6.5. ``guess``: whether it may be a guessed password.
    """

    guess = True

    def __init__(self, condition: str, text: str = "") -> None:
        super().__init__(condition)
        self.condition = condition
        self.text = text


class NotChecked(SASLError):
    """The password could not be checked now, so nothing is known about it."""

    guess = False

    def __init__(self, text: str) -> None:
        super().__init__("temporary-auth-failure", text)


class BindingRefused(SASLError):
    """The channel binding is not available; the client should try another mechanism."""

    guess = False


class Excluded(SASLError):
    """The client has proved who it is, but the account, or its network, is banned (RFC 6120 §6.5.1)."""

    guess = False

    def __init__(self, text: str) -> None:
        super().__init__("account-disabled", text)


def decode(text: str) -> bytes:
    """Decodes the base64 of an element. Raises SASLError."""
    text = text.strip()
    if len(text) > MAX_STEP:
        raise SASLError("malformed-request")
    try:
        return b"" if text == "=" else b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SASLError("incorrect-encoding") from None


def mechanisms(
    security: Security, hashes: Collection[str] = BASIC_HASHES, *, classic: bool = False
) -> list[str]:
    """The mechanisms to announce on a connection, best first, with SCRAM for the given hashes.

    ``classic``: for the profile of RFC 6120, not for SASL2.
    """
    if not (security.encrypted or security.trusted):
        return []
    names = [name for name, hash_name in HASHES.items() if hash_name in hashes]
    plus = [f"{name}-PLUS" for name in names] if _has_plus(security, classic) else []
    return [*plus, *names, "PLAIN"]


def _has_plus(security: Security, classic: bool) -> bool:
    return bool(security.bindings) and (security.classic_plus or not classic)


class Authentication:
    """One exchange.

    `step` takes what the client has sent, and returns the challenge, or None after success.

    After success, ``account`` is the account, ``final`` the data for ``<success/>``, and ``credential`` the
    id of the app password, if one was used.
    """

    def __init__(
        self,
        mechanism: str,
        security: Security,
        hashes: Collection[str],
        lookup: Lookup,
        naming: Naming,
        passwords: Passwords,
        randomness: Randomness,
        *,
        classic: bool = False,
        outside: Outside | None = None,
    ) -> None:
        if mechanism not in mechanisms(security, hashes, classic=classic):
            raise SASLError("invalid-mechanism")
        self.account: AccountRecord | None = None
        self.credential = ""
        self.final = b""
        self.mechanism = mechanism
        self._security = security
        self._has_plus = _has_plus(security, classic)
        self._lookup = lookup
        self._naming = naming
        self._passwords = passwords
        self._outside = outside
        self._randomness = randomness
        self._record: AccountRecord | None = None
        self._candidates: Sequence[Candidate] = ()
        self._binding: tuple[str, bytes] | None = None
        self._said = ("", "", "")  # nonce, the client's first message, the server's first message

    async def step(self, data: bytes) -> bytes | None:
        """Handles one response of the client.

        Returns the challenge, or None after success. Raises SASLError.
        """
        if self.mechanism == "PLAIN":
            await self._plain(data)
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise SASLError("malformed-request") from None
        if not self._candidates:
            return await self._first(text)
        self._last(text)
        return None

    async def _plain(self, data: bytes) -> None:
        try:
            authzid, user, password = data.decode().split("\0")
        except ValueError:
            raise SASLError("malformed-request") from None
        record = await self._lookup(user)
        credential = await self._passwords.fits(self._naming(user), record, password)
        if credential is None and self._outside is not None:
            record = await self._outside(self._naming(user), record, password)
            credential = ""
        if record is None or credential is None:
            raise SASLError("not-authorized")
        if authzid and not _names(authzid, record):
            raise SASLError("invalid-authzid")
        self.account, self.credential = record, credential

    async def _first(self, text: str) -> bytes:
        """Handles the client-first-message (RFC 5802 §7)."""
        plus = self.mechanism.endswith("-PLUS")
        flag, _, rest = text.partition(",")
        if plus:
            kind = flag.removeprefix("p=")
            data = self._security.bindings.get(kind) or self._security.tolerated.get(kind)
            if kind == flag or data is None:
                raise BindingRefused("malformed-request", "unsupported channel-binding type")
            self._binding = (kind, data)
        elif flag == "y" and self._has_plus:
            # RFC 5802 §6: the client believes that the server supports no binding, so the list was tampered
            # with
            raise BindingRefused("not-authorized", "channel binding was offered")
        elif flag not in ("n", "y"):
            raise SASLError("malformed-request")
        attributes = rest.partition(",")[2].split(",")
        user = next((part[2:] for part in attributes if part.startswith("n=")), "")
        if len(user.encode()) > MAX_PART:  # preparing one (RFC 5802 §5.1) takes more than linear time
            raise SASLError("malformed-request", "the name is too long")
        user = user.replace("=2C", ",").replace("=3D", "=")
        self._record = await self._lookup(user)
        base = self.mechanism.removesuffix("-PLUS")
        candidates = await self._passwords.candidates(self._naming(user), self._record, HASHES[base])
        nonce = self._randomness.token(18)
        try:
            challenge: str = self._server(candidates[0].keys, nonce, text)[1]
        except ScramException as error:
            raise SASLError("malformed-request", str(error)) from None
        self._candidates = candidates
        self._said = (nonce, text, challenge)
        return challenge.encode()

    def _server(self, keys: Keys, nonce: str, first: str) -> tuple[Any, str]:
        """Returns a scramp server that has handled the client-first-message, and its answer."""
        info = (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
        server = ScramMechanism(self.mechanism).make_server(lambda _: info, self._binding, nonce)
        server.set_client_first(first)
        return server, server.get_server_first()

    def _last(self, text: str) -> None:
        """Checks the client-final-message against the keys of all candidates."""
        nonce, first, _ = self._said
        failure = SASLError("not-authorized")
        for candidate in self._candidates:
            server, _ = self._server(candidate.keys, nonce, first)
            try:
                server.set_client_final(text)
                final = server.get_server_final().encode()
            except ScramException as error:
                if error.server_error not in _WRONG:
                    failure = SASLError("malformed-request")
                continue
            if self._record is None:
                break
            self.account, self.credential, self.final = self._record, candidate.credential, final
            return
        raise failure


def _names(authzid: str, record: AccountRecord) -> bool:
    """Whether an authorization identity, prepared by RFC 7622, is the address of the account."""
    try:
        return str(parse_jid(authzid)) == record.jid
    except ValueError:
        return False
