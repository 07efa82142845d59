"""What both profiles of SASL in XMPP share, and the profile of RFC 6120 §6."""

from __future__ import annotations

from base64 import b64encode
from typing import ClassVar

import structlog

from kith.base.attempts import Attempt
from kith.core.actors.account import Account
from kith.core.actors.accounts import Elsewhere
from kith.core.actors.visitor import Visitor
from kith.core.login.entrance import Entrance
from kith.core.login.sasl import Authentication, Excluded, NotChecked, SASLError, decode, mechanisms
from kith.ports.store import AccountRecord
from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.serialize import escape_text
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")
#: Failures after which the stream ends (RFC 6120 §6.4.5 requires at least two): possible guesses of a
#: password, and others.
MAX_ATTEMPTS = 4
MAX_REFUSALS = 12


class Profile:
    """One profile of SASL on one stream, with one exchange at a time."""

    __slots__ = ("_attempt", "_authentication", "entrance", "mechanism", "record", "stream")

    namespace: ClassVar[str]
    #: Whether this is the profile of RFC 6120.
    classic: ClassVar[bool] = False

    def __init__(self, entrance: Entrance, stream: Visitor) -> None:
        self.entrance = entrance
        self.stream = stream
        self._authentication: Authentication | None = None
        self._attempt: Attempt | None = None
        self.mechanism = ""  # set when the client has chosen a supported one
        self.record: AccountRecord | None = None  # as read during the exchange

    # -- what each profile implements -----------------------------------------------------------------

    def receive(self, element: Stanza) -> bool:
        """Handles an element. Returns False if it does not belong to this profile."""
        raise NotImplementedError

    async def finish(self, account: Account, final: bytes) -> None:
        """Continues after a successful exchange. ``final``: the last data of the mechanism."""
        await self.succeed(account, final)

    async def succeed(self, account: Account, final: bytes) -> None:
        """Sends the success to the client, and continues the stream."""
        raise NotImplementedError

    @property
    def under_way(self) -> bool:
        """Whether an exchange is waiting for the client's next response."""
        return self._authentication is not None

    # -- what they share -------------------------------------------------------------------------

    def begin(self, mechanism: str, initial: str | None) -> None:
        """Starts an exchange. ``initial``: the initial response, if the client has sent one."""
        security = self.stream.security
        if not mechanisms(security):
            raise SASLError("encryption-required")
        self.mechanism = ""
        self._authentication = Authentication(
            mechanism,
            security,
            self.stream.hashes,
            self.admit,
            self.naming,
            self.entrance.passwords,
            self.entrance.randomness,
            classic=self.classic,
            outside=self.entrance.outside,
        )
        self.mechanism = mechanism
        if initial is not None:
            self.respond(initial)
        else:
            self.challenge(b"")

    def respond(self, text: str) -> None:
        """Handles the client's next response."""
        if self._authentication is None:
            raise SASLError("malformed-request")
        self.stream.work(self._step(self._authentication, decode(text)))

    async def _step(self, authentication: Authentication, data: bytes) -> None:
        challenge = await authentication.step(data)
        if challenge is not None:
            self.challenge(challenge)
            return
        assert authentication.account is not None
        account = await self.load(authentication.account)
        self._authentication = None
        self.stream.credential = authentication.credential
        if authentication.credential:
            used = self.entrance.passwords.apps.change(account.id, authentication.credential, used=True)
            if await used is None:
                raise SASLError("not-authorized", "the password was revoked")
        await self.finish(account, authentication.final)

    async def load(self, record: AccountRecord) -> Account:
        """The account of a successful exchange.

        Raises SASLError if the account or the stream no longer exists, or a ban excludes it.
        """
        self.record = record
        self.entrance.accounts.appeared(record.jid)
        try:
            account = await self.entrance.accounts.load(record.jid)
        except Elsewhere:
            raise SASLError("temporary-auth-failure", "another node has the account") from None
        if account is None or self.stream.ended:
            raise SASLError("not-authorized")
        if (ban := self.entrance.ban(self.stream, account)) is not None:
            self._forgive()
            raise Excluded(ban.text)
        return account

    def _forgive(self) -> None:
        """The password was right, so the attempt does not count as a wrong one."""
        if self._attempt is not None:
            self.entrance.guesses.right(self._attempt, self.entrance.clock.steady())

    async def admit(self, user: str) -> AccountRecord | None:
        """As `lookup`, before a password is checked. Raises SASLError after too many wrong passwords.

        The attempt counts as wrong until it has succeeded.
        """
        bare, address = self.naming(user), self.stream.security.address
        attempt = self._attempt = self.entrance.guesses.admit(address, bare, self.entrance.clock.steady())
        if attempt is None:
            raise SASLError("temporary-auth-failure", "too many failed logins, wait a minute")
        if attempt.filled:
            logger.warning("too many failed logins", of=attempt.filled, account=bare, address=address)
        return await self.lookup(user)

    async def lookup(self, user: str) -> AccountRecord | None:
        """The record of an account by the name that a mechanism has sent; None if there is none."""
        bare = self.naming(user)
        self.record = await self.entrance.record(self.stream, bare) if bare else None
        return self.record

    def naming(self, user: str) -> str:
        """The bare address for a name that a mechanism has sent; empty if the name is not valid."""
        return self.entrance.naming(user)

    def passed(self, account: Account) -> None:
        """Notes a successful login."""
        attempt, self._attempt = self._attempt, None
        address, now = self.stream.security.address, self.entrance.clock.steady()
        if attempt is not None:
            self.entrance.guesses.right(attempt, now)
        else:
            self.entrance.guesses.known(address, account.jid, now)
        self.entrance.figures.logins[self.mechanism, "success"] += 1
        logger.debug(
            "logged in",
            account=account.jid,
            mechanism=self.mechanism,
            address=address,
        )

    def delay(self, error: SASLError) -> float:
        """How many seconds to delay the answer to a failure; more after each failure."""
        attempt = self._attempt
        return attempt.delay if attempt is not None and error.condition == "not-authorized" else 0.0

    def challenge(self, data: bytes) -> None:
        text = b64encode(data).decode()
        self.stream.sink.send([f"<challenge xmlns='{self.namespace}'>{text}</challenge>".encode()])

    def fail(self, error: SASLError) -> None:
        """Ends the exchange with an error; after several failures, also the stream."""
        stream = self.stream
        if isinstance(error, NotChecked):
            self._forgive()
        self._authentication = self._attempt = None
        stream.attempts += error.guess
        stream.refusals += not error.guess
        self.entrance.figures.logins[self.mechanism or "other", error.condition] += 1
        logger.info(
            "login refused" if isinstance(error, Excluded) else "login failed",
            condition=error.condition,
            account=self.record.jid if self.record is not None else "",
            mechanism=self.mechanism or "other",
            address=stream.security.address,
        )
        text = f"<text xml:lang='en'>{escape_text(error.text)}</text>" if error.text else ""
        condition = f"<{error.condition} xmlns='{ns.SASL}'/>"
        stream.sink.send([f"<failure xmlns='{self.namespace}'>{condition}{text}</failure>".encode()])
        if stream.attempts >= MAX_ATTEMPTS or stream.refusals >= MAX_REFUSALS:
            stream.refuse(StreamError("policy-violation", "too many failed logins"))


_AUTH = ns.tag(ns.SASL, "auth")
_RESPONSE = ns.tag(ns.SASL, "response")
_ABORT = ns.tag(ns.SASL, "abort")


class SASL(Profile):
    """The profile of RFC 6120 §6. After success the client sends a new stream header."""

    __slots__ = ()

    namespace = ns.SASL
    classic = True

    def receive(self, element: Stanza) -> bool:
        text = element.element.text or ""
        if element.tag == _AUTH:
            self.begin(element.attrs.get("mechanism", ""), text if element.inner else None)
        elif element.tag == _RESPONSE:
            self.respond(text)
        elif element.tag == _ABORT:
            raise SASLError("aborted")
        else:
            return False
        return True

    async def succeed(self, account: Account, final: bytes) -> None:
        stream = self.stream
        self.passed(account)
        stream.restart(account)
        text = b64encode(final).decode()
        stream.sink.send([f"<success xmlns='{ns.SASL}'>{text}</success>".encode()])
