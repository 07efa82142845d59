"""What the two SASL profiles share: who may try, which account it is, what a failure costs."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Coroutine
from typing import Any

from kith.core.account import Account
from kith.core.login.step import Step
from kith.core.ports import AccountRecord
from kith.core.sasl import MAX_STEP, Authentication, SASLError, mechanisms
from kith.wire.errors import StreamError, stream_error
from kith.wire.jid import JID, prepare_local

#: Attempts on one stream (RFC 6120 §6.4.5 asks for at least two).
MAX_ATTEMPTS = 4


class SASLStep(Step):
    """A profile: it wraps SASL's messages in elements of its own."""

    __slots__ = ("authentication",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.authentication: Authentication | None = None

    def send_failure(self, error: SASLError) -> None:
        """Tells the client, in the profile's words."""
        raise NotImplementedError

    def begin(self, mechanism: str) -> Authentication:
        """A new attempt. Raises SASLError."""
        self.admit()
        self.authentication = Authentication(
            mechanism, self.stream.security, self.lookup, self.domain.passwords.fits, self.domain.pepper
        )
        return self.authentication

    def admit(self) -> None:
        """Whether anyone may try now. Raises SASLError."""
        security = self.stream.security
        if not mechanisms(security):
            raise SASLError("encryption-required")
        if self.domain.attempts.too_many(security.address, self.domain.now()):
            raise SASLError("temporary-auth-failure", "too many failed logins")

    def work(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on in the background; what it raises fails the attempt."""
        self.stream.work(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SASLError as error:
            self.fail(error)
        except StreamError:
            raise
        except Exception as error:
            self.domain.log_error("authentication failed", error)
            self.fail(SASLError("temporary-auth-failure"))

    def fail(self, error: SASLError) -> None:
        """The attempt is over; too many of them end the stream."""
        self.authentication = None
        stream = self.stream
        stream.failures += 1
        if error.condition == "not-authorized":
            self.domain.attempts.failed(stream.security.address, self.domain.now())
        self.send_failure(error)
        if stream.failures >= MAX_ATTEMPTS:
            stream.end(stream_error(StreamError("policy-violation", "too many failed logins")))

    async def lookup(self, user: str) -> AccountRecord | None:
        """The account of a user name, or of a bare address of this domain."""
        name = self.domain.name
        try:
            local = prepare_local(user.partition("@")[0] if user.endswith(f"@{name}") else user)
        except ValueError:
            return None
        return await self.domain.store.account(JID(local, name).bare)

    async def account(self, record: AccountRecord | None) -> Account:
        """Who has logged in. Raises SASLError if the account, or the connection, is gone meanwhile."""
        assert record is not None
        self.domain.directory.appeared(record.jid)
        account = await self.domain.account(record.jid)
        if account is None or self.stream.ended:
            raise SASLError("not-authorized")
        return account


def decode(text: str) -> bytes:
    """One SASL message out of its base64. Raises SASLError."""
    if len(text) > MAX_STEP:
        raise SASLError("malformed-request")
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SASLError("incorrect-encoding") from None
