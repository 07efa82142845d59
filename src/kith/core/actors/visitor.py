"""A client that has a connection but no session yet: its state while it logs in."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from kith.core.actors.account import Account, Session
from kith.ports.connection import Security, Sink
from kith.ports.store import AccountRecord
from kith.wire.errors import StreamError


class Visitor:
    """The base class of `kith.core.login.stream.Stream`, which login mechanisms use without importing that.

    ``account`` is set after the login, and ``session`` once a resource was bound or a session resumed.
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
        self.starttls = starttls  # whether STARTTLS is possible on this connection
        self.account: Account | None = None
        self.session: Session | None = None
        self.claimed = ""  # the bare address in the stream header
        self.credential = ""  # the id of the app password that was used, if any
        self.device = ""  # the id of the device, if the client has sent a user-agent id
        self.hashes = hashes  # the hashes with which SCRAM is offered
        self.passwords_seen = 0  # `Passwords.changes` when the account's keys were read
        self.attempts = self.refusals = 0  # failed logins that may have been guesses, and other failures
        # address, record, and when it was read
        self.read: tuple[str, AccountRecord | None, float] | None = None
        self.lang = ""
        self.ended = False

    def work(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work in the background. Input waits in the meantime."""
        raise NotImplementedError

    def restart(self, account: Account) -> None:
        """The client has logged in. A new stream header is expected (RFC 6120 §6.4.6)."""
        raise NotImplementedError

    def authenticated_inline(
        self, account: Account, session: Session | None, success: bytes, resumed: bool
    ) -> None:
        """The client has logged in without a new stream header.

        Features follow, unless a session was resumed.
        """
        raise NotImplementedError

    def login_over(self) -> None:
        """Releases the state of the login, once there is a session."""
        raise NotImplementedError

    def refuse(self, error: StreamError) -> None:
        """Ends a stream before the login, with an error."""
        raise NotImplementedError
