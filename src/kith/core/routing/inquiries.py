"""Limits how many strangers a sender may send requests (iqs) to, against the enumeration of accounts.

Anybody may request the nodes, the vCard and the devices of an account, because that is how a first message
is encrypted. So by asking about many addresses one could find out which accounts exist. The setting
``strangers_per_hour`` limits the people a sender may ask about in an hour who do not know the sender.
Beyond the limit the answer is the same whether or not the account exists.
"""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.rates import Distinct, RateLimit
from kith.config import Config
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.core.actors.sender import Sender
from kith.core.hooks.table import Hooks
from kith.core.routing.hosts import Hosts
from kith.wire.errors import StanzaError
from kith.wire.jid import JID

HOUR = 3600.0
#: Requests allowed for each of them, on average: a device list, some bundles, a vCard, an avatar.
REQUESTS_EACH = 20
#: The limit for all people of another server together is this many times the limit for one.
SERVER_FACTOR = 10


def _shares(roster: Roster, bare: str) -> bool:
    """Whether a subscription exists between the owner and the contact, or the owner has requested one.

    The contact knows about each of these already, so the answer discloses nothing.
    """
    item = roster[bare]
    return item.from_ or item.to or item.ask


class Inquiries:
    """Knows which senders an account knows, and counts requests about others.

    The setting ``strangers_per_hour`` is the limit; 0 means none.
    """

    def __init__(
        self, config: Config, domain: Domain, accounts: Accounts, hosts: Hosts, hooks: Hooks, clock: Clock
    ) -> None:
        self._domain = domain
        self._accounts = accounts
        self._hosts = hosts
        self._hooks = hooks
        self._clock = clock
        self._limit = limit = config.strangers_per_hour
        self._requests = RateLimit(limit * REQUESTS_EACH, HOUR)
        self._server_requests = RateLimit(limit * REQUESTS_EACH * SERVER_FACTOR, HOUR)
        self._asked = Distinct(HOUR)

    async def knows(self, asker: str, account: JID) -> bool:
        """Whether ``asker``, a bare address, may know that the account exists (RFC 6121 §8.5.1).

        Its owner may, its contacts, and those that a feature names (`Feature.acquainted`), such as members
        of the same group.
        """
        if asker == account.bare:
            return True
        if await self._accounts.id_of(account) is None:
            return False
        if (await self._accounts.roster(account.bare)).subscription_from(asker):
            return True
        return await self._hooks.acquainted(account.to_bare(), asker)

    def knows_now(self, asker: str, account: Account | None) -> bool:
        """As `knows`, without reading from the store; False if that would be necessary."""
        return account is not None and (
            asker == account.jid
            or (account.roster is not None and account.roster.subscription_from(asker))
            or self._hooks.acquainted_now(account.address, asker)
        )

    async def admit(self, sender: Sender, to: JID) -> bool:
        """Counts a request about an address before it is answered. Returns what `knows` says.

        Raises StanzaError beyond the limit, whether or not the account exists.
        """
        if await self.knows(sender.bare, to):
            return True
        there = await self._accounts.id_of(to) is not None
        if there and _shares(await self._accounts.roster(to.bare), sender.bare):
            return False  # not counted
        here = self._domain.holds(sender.jid)
        if not self._limit or (not here and self._hosts.here(sender.jid.domain) is not None):
            return False  # components are trusted by the operator
        now = self._clock.steady()
        allowed = self._count(sender.bare, to.bare, self._limit, now) and self._requests.take(
            sender.bare, now
        )
        if allowed and not here:  # so that one account can't use up the limit of its server
            server, limit = sender.jid.domain, self._limit * SERVER_FACTOR
            allowed = self._count(server, to.bare, limit, now) and self._server_requests.take(server, now)
        if not allowed:
            raise StanzaError("policy-violation", "too many requests about people unknown here", type="wait")
        return False

    def _count(self, key: str, about: str, limit: int, now: float) -> bool:
        people = self._asked.names(key, now)
        if about not in people:
            if len(people) >= limit:
                return False
            people.add(about)
        return True
