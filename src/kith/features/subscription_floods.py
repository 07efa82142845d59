"""Limits subscription requests (RFC 6121 §3.1) of one sender, and from one account to another.

`kith.core.actors.roster` limits how many of them an account keeps.
"""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.rates import RateLimit
from kith.config import Config
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.routing.hosts import Hosts
from kith.features.strangers import HOUR, SERVER_FACTOR
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: How many requests per hour one account may send to the same contact. A request that was withdrawn and sent
#: again counts twice.
MAX_SAME = 5
#: How many times per hour an unanswered request is sent again to another server.
MAX_AGAIN = 60


class SubscriptionFloods(Feature):
    """Allows as many requests per hour as the setting ``strangers_per_hour``; for a server ten times as
    many.
    """

    def __init__(
        self, config: Config, domain: Domain, clock: Clock, accounts: Accounts, hosts: Hosts
    ) -> None:
        self._here = domain.name
        self._now = clock.steady
        self._known = accounts
        self._hosts = hosts
        limit = config.strangers_per_hour
        self._accounts = RateLimit(limit, HOUR)
        self._servers = RateLimit(limit * SERVER_FACTOR, HOUR)
        self._again = RateLimit(MAX_AGAIN if limit else 0, HOUR)
        self._pairs = RateLimit(MAX_SAME if limit else 0, HOUR)

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        if stanza.type != "subscribe" or stanza.kind != "presence" or to is None:
            return
        bare, now = session.account.jid, self._now()
        roster = session.account.roster
        if roster is not None and roster.subscription_to(to.bare):
            return  # nobody is asked
        if roster is not None and roster[to.bare].ask:  # still unanswered: who was asked sees it once
            if to.domain != self._here and not self._again.take((bare, to.bare), now):
                raise StanzaError("policy-violation", "asked too often", type="wait")
            return
        if not self._pairs.take((bare, to.bare), now):
            raise StanzaError("policy-violation", "asked too often", type="wait")
        if not self._accounts.take(bare, now):
            raise StanzaError("policy-violation", "too many requests in an hour", type="wait")

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Drops requests from other domains beyond the limit."""
        if stanza.type != "subscribe" or stanza.kind != "presence":
            return True
        if sender.domain == self._here or self._hosts.here(sender.domain) is not None:
            return True  # seen on its way out; or of a component, which the operator has chosen
        account = self._known.get(to.bare)
        if (
            account is not None
            and account.roster is not None
            and account.roster.subscription_from(sender.bare)
        ):
            return True
        now = self._now()
        return self._pairs.take((sender.bare, to.bare), now) and self._servers.take(sender.domain, now)
