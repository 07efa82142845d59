"""What only a running server knows, as it tells commands (`kith.api.local`)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kith.core.actors.accounts import Accounts

#: The name of the Unix socket in the data folder over which commands ask a running server.
SOCKET = "admin.sock"


class AskedTrace(msgspec.Struct):
    """A request of `kith trace`: about bare addresses, and messages by their ids in the log."""

    accounts: list[str]
    ids: list[int]


class AskedTracing(msgspec.Struct):
    """A request to trace an account for some hours; 0: to stop it."""

    account: str
    hours: float


class LiveSession(msgspec.Struct):
    """A session. ``address``: the IP address that it was last connected from."""

    resource: str
    device: str
    address: str
    connected: bool


class LiveSessions(msgspec.Struct):
    """All sessions of a server, by bare address. Implements `kith.admin.people.Live`."""

    sessions: dict[str, list[LiveSession]] = {}

    @classmethod
    def of(cls, accounts: Accounts) -> LiveSessions:
        """The sessions of all accounts in memory."""
        return cls(
            {
                account.jid: [
                    LiveSession(
                        session.jid.resource, session.device, session.address, session.sink is not None
                    )
                    for session in account.sessions.values()
                ]
                for account in accounts.all()
                if account.sessions
            }
        )

    def is_online(self, bare: str) -> bool:
        return any(session.connected for session in self.of_account(bare))

    def of_account(self, bare: str) -> Sequence[LiveSession]:
        """The sessions of an account."""
        return self.sessions.get(bare, ())
