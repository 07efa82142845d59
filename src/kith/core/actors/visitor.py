"""Somebody who has a connection and no session yet: what is known of them while they log in."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from kith.core.actors.account import Account, Session
from kith.ports.connection import Security, Sink
from kith.ports.store import AccountRecord
from kith.wire.errors import StreamError


class Visitor:
    """``account`` is set after the login, ``session`` once a resource is bound or an older session resumed.

    `kith.core.login.stream.Stream` is one; what it does is abstract here, so that the ways to log in need not
    know it.
    """

    __slots__ = (
        "account",
        "attempts",
        "claimed",
        "credential",
        "device",
        "ended",
        "hashes",
        "lang",
        "passwords_seen",
        "read",
        "refusals",
        "security",
        "session",
        "sink",
        "starttls",
    )

    def __init__(self, sink: Sink, security: Security, starttls: bool, hashes: Sequence[str]) -> None:
        self.sink = sink
        self.security = security
        self.starttls = starttls  # whether TLS can begin on this connection
        self.account: Account | None = None
        self.session: Session | None = None
        self.claimed = ""  # the account that the header names
        self.credential = ""  # the id of the app password that was used, if it was one
        self.device = ""  # the id of the client installation, if it has told one
        self.hashes = hashes  # those with which SCRAM is offered
        self.passwords_seen = 0  # how many passwords had changed when the account's keys were read
        self.attempts = self.refusals = 0  # failed logins that may have guessed a password, and others
        self.read: tuple[str, AccountRecord | None, float] | None = None  # an account, and when it was read
        self.lang = ""
        self.ended = False

    def work(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it; what comes in meanwhile waits."""
        raise NotImplementedError

    def restart(self, account: Account) -> None:
        """Authenticated: a new header is expected (RFC 6120 §6.4.6)."""
        raise NotImplementedError

    def authenticated_inline(
        self, account: Account, session: Session | None, success: bytes, resumed: bool
    ) -> None:
        """Authenticated without a new header: features follow, unless a session was resumed."""
        raise NotImplementedError

    def login_over(self) -> None:
        """There is a session: nothing of the login is needed any more."""
        raise NotImplementedError

    def refuse(self, error: StreamError) -> None:
        """Ends a stream on which nobody has logged in."""
        raise NotImplementedError
