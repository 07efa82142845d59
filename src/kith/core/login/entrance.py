"""What all logins share: the parts they use, and checks of accounts and credentials."""

from __future__ import annotations

from collections.abc import Sequence

from kith.base.attempts import Guesses
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.visitor import Visitor
from kith.core.hooks.table import Hooks
from kith.core.login.offers import Offers
from kith.core.login.outside import DirectoryLogin
from kith.core.login.sasl import BASIC_HASHES, Outside
from kith.core.sessions.bans import Bans
from kith.core.sessions.revocation import Revocation
from kith.core.sessions.sessions import Sessions
from kith.ports.directory import Directory
from kith.ports.store import AccountRecord, Store
from kith.records.bans import Ban
from kith.records.devices import Devices
from kith.records.passwords import Passwords
from kith.wire.jid import JID, parse_jid, prepare_local

#: How old a record of an account may be for a login to use it, in seconds.
_FRESH = 1.0


class Entrance:
    """The parts of the node that streams and logins use.

    ``pepper``: a secret of the server from which the resources of devices are derived. ``outside``: checks
    passwords that the server does not know, if there is a directory. ``hashes``: those with which SCRAM is
    offered to an account that is not known.
    """

    def __init__(
        self,
        domain: Domain,
        config: Config,
        store: Store,
        accounts: Accounts,
        sessions: Sessions,
        bans: Bans,
        hooks: Hooks,
        devices: Devices,
        passwords: Passwords,
        guesses: Guesses,
        revocation: Revocation,
        tasks: Tasks,
        figures: Figures,
        clock: Clock,
        randomness: Randomness,
        secret: Secret,
        directory: Directory | None = None,
    ) -> None:
        self.domain = domain
        self.config = config
        self.store = store
        self.accounts = accounts
        self.sessions = sessions
        self.bans = bans
        self.hooks = hooks
        self.devices = devices
        self.passwords = passwords
        self.guesses = guesses
        self.revocation = revocation
        self.tasks = tasks
        self.figures = figures
        self.clock = clock
        self.randomness = randomness
        self.pepper = secret.key("pepper")
        self.offers = Offers(hooks)
        self.outside: Outside | None = None
        self.hashes: Sequence[str] = BASIC_HASHES
        if directory is not None:
            self.outside = DirectoryLogin(directory, store, accounts).check
            # a directory has no keys for SCRAM; an offer for some accounts would disclose who has a password
            self.hashes = ()

    def naming(self, user: str) -> str:
        """The bare address for a name that somebody logs in with; empty if the name is not valid.

        The name is the part before the @, or the whole address.
        """
        local, at, domain = user.rpartition("@")
        try:
            if at and parse_jid(domain) != self.domain.jid:
                return ""
            return JID(prepare_local(local if at else user), self.domain.name).bare
        except ValueError:
            return ""

    async def read(self, visitor: Visitor, bare: str) -> AccountRecord | None:
        """Reads the record of an account, and keeps it for the login that follows."""
        visitor.passwords_seen = self.passwords.changes
        record = await self.store.account(bare)
        visitor.read = bare, record, self.clock.steady()
        return record

    async def record(self, visitor: Visitor, bare: str) -> AccountRecord | None:
        """The record of an account, or None. Uses the one that `read` has kept, if it is recent."""
        read, visitor.read = visitor.read, None
        if read is not None and read[0] == bare and self.clock.steady() - read[2] < _FRESH:
            return read[1]
        visitor.passwords_seen = self.passwords.changes
        return await self.store.account(bare)

    def ban(self, visitor: Visitor, account: Account) -> Ban | None:
        """Why a client may not log in although it has proved who it is, or None."""
        return self.bans.of_account(account.id, account.jid) or self.bans.of_address(visitor.security.address)

    def is_void(self, visitor: Visitor, account: Account, device: str) -> bool:
        """Whether the device, app password or password that a client has used is no longer valid."""
        ended = self.devices.has_ended
        if ended(account.id, device) or ended(account.id, visitor.credential):
            return True
        return self.passwords.has_changed(account.id, visitor.passwords_seen)
