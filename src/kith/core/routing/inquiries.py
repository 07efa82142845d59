"""What may be asked about people who do not know the asker: the one bound for all requests (iqs).

An account's nodes, its card and its devices can be asked for by anybody, since that is how a first message is
encrypted. So whoever asks about many people could find out who has an account. Each asker may ask about so
many people in an hour who do not know it: the setting is ``strangers_per_hour``, as for messages.
The answer past the bound is the same whether or not there is such an account.
"""

from __future__ import annotations

from collections import OrderedDict

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.rates import Rates
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
#: Requests about each of them, on average: a list of devices, some bundles, a card, a picture.
REQUESTS_EACH = 20
#: How many times as many all people of another server may ask about together.
SERVER_FACTOR = 10
#: Askers who are remembered.
_ASKERS = 20_000


class _Asked:
    """Whom one asker has asked about since ``since``, by the steady clock."""

    __slots__ = ("people", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.people: set[str] = set()


def _shares(roster: Roster, bare: str) -> bool:
    """Whether the owner shows presence to the contact, sees the contact's, or has asked to.

    Each of them is something that the contact has been told, so that it tells nothing new.
    """
    item = roster[bare]
    return item.from_ or item.to or item.ask


class Inquiries:
    """Who knows whom, and about how many others somebody has asked.

    The setting ``strangers_per_hour`` says how many; 0 for any number.
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
        self._requests = Rates(limit * REQUESTS_EACH, HOUR)
        self._server_requests = Rates(limit * REQUESTS_EACH * SERVER_FACTOR, HOUR)
        self._asked: OrderedDict[str, _Asked] = OrderedDict()

    async def knows(self, asker: str, account: JID) -> bool:
        """Whether a bare address is told that there is such an account (RFC 6121 §8.5.1).

        Its owner is, whoever sees its presence, and whoever a feature says (`Feature.acquainted`): those who
        are in a group with it, for example.
        """
        if asker == account.bare:
            return True
        if await self._accounts.id_of(account) is None:
            return False
        if (await self._accounts.roster(account.bare)).subscription_from(asker):
            return True
        return await self._hooks.acquainted(account.to_bare(), asker)

    def knows_now(self, asker: str, account: Account | None) -> bool:
        """The same without a look at the store; False where that would have to tell."""
        return account is not None and (
            asker == account.jid or (account.roster is not None and account.roster.subscription_from(asker))
        )

    async def admit(self, sender: Sender, to: JID) -> bool:
        """To be called before a request about an account is answered. Returns what `knows` says.

        Raises StanzaError if the sender has asked about too many who do not know it, there or not.
        """
        if await self.knows(sender.bare, to):
            return True
        there = await self._accounts.id_of(to) is not None
        if there and _shares(await self._accounts.roster(to.bare), sender.bare):
            return False  # not counted
        here = self._domain.holds(sender.jid)
        if not self._limit or (not here and self._hosts.here(sender.jid.domain) is not None):
            return False  # components are the operator's own choice
        now = self._clock.steady()
        allowed = self._count(sender.bare, to.bare, self._limit, now) and self._requests.take(
            sender.bare, now
        )
        if allowed and not here:  # one of a server's accounts does not use up what all of them have
            server, limit = sender.jid.domain, self._limit * SERVER_FACTOR
            allowed = self._count(server, to.bare, limit, now) and self._server_requests.take(server, now)
        if not allowed:
            raise StanzaError("policy-violation", "too many requests about people unknown here", type="wait")
        return False

    def _count(self, key: str, about: str, limit: int, now: float) -> bool:
        asked = self._asked.get(key)
        if asked is None or now - asked.since > HOUR:
            asked = self._asked[key] = _Asked(now)
            self._asked.move_to_end(key)
            if len(self._asked) > _ASKERS:
                self._asked.popitem(last=False)
        if about not in asked.people:
            if len(asked.people) >= limit:
                return False
            asked.people.add(about)
        return True
