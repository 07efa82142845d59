"""Limits how many strangers an account, or another server, may write to in an hour.

People in the sender's roster, and those who have written to the sender, are not strangers. People are
counted, not messages, so a conversation is never interrupted. For other servers there are two more limits:
messages to a person who does not answer, and other stanzas per minute.
"""

from __future__ import annotations

from contextlib import suppress

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.rates import Distinct, RateLimit
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.routing.hosts import Hosts
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

HOUR = 3600.0
#: The limit for all people of another server together is this many times the limit for one.
SERVER_FACTOR = 10
#: Messages per hour from one person of another server to a person here who does not answer.
MAX_UNANSWERED = 100
#: Stanzas other than messages, per minute, from strangers of one server.
MAX_OTHER = 1200


class Strangers(Feature):
    """Applies the setting ``strangers_per_hour``; 0 means no limit."""

    def __init__(
        self, config: Config, domain: Domain, clock: Clock, accounts: Accounts, hosts: Hosts, tasks: Tasks
    ) -> None:
        self._limit = config.strangers_per_hour
        self._here = domain.name
        self._now = clock.steady
        self._accounts = accounts
        self._hosts = hosts
        self._tasks = tasks
        self._reached = Distinct(HOUR)  # whom senders have written to
        self._unanswered = RateLimit(MAX_UNANSWERED, HOUR)
        self._other = RateLimit(MAX_OTHER, 60.0)
        self._loading: set[str] = set()

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        if self._limit and stanza.type != "error":
            self._check_own(session, to)

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        if self._limit and stanza.type == "subscribe" and to is not None:
            self._check_own(session, to)

    def _check_own(self, session: Session, to: JID) -> None:
        account = session.account
        bare = to.bare
        reached = self._reached.get(account.jid)
        if reached is not None and bare in reached.names and self._now() - reached.since < HOUR:
            return
        if bare == account.jid or not to.local:
            return
        roster = account.roster
        if roster is not None and (roster.subscription_to(bare) or roster.subscription_from(bare)):
            return
        self._count(account.jid, account.jid, bare, self._limit)

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Counts stanzas from each other server. Components are trusted by the operator."""
        if not self._limit or sender.domain == self._here or not sender.local or not to.local:
            return True
        if self._hosts.here(sender.domain) is not None:
            return True
        account = self._accounts.get(to.bare)
        roster = account.roster if account is not None else None
        bare, now = sender.bare, self._now()
        if roster is None:
            if to.bare not in self._loading:
                self._loading.add(to.bare)
                # once the roster is loaded, contacts are not counted as strangers
                self._tasks.spawn(self._load_roster(to.bare))
        elif roster.subscription_to(bare) or roster.subscription_from(bare):
            return True
        if stanza.kind == "message" and stanza.type in ("", "chat", "normal"):
            self._count(sender.domain, bare, to.bare, self._limit * SERVER_FACTOR)
            answered = bare in self._people(to.bare)
            if roster is not None and not answered and not self._unanswered.take((bare, to.bare), now):
                raise StanzaError("policy-violation", "too many messages without an answer", type="wait")
        elif stanza.kind == "presence" and stanza.type == "subscribe":
            self._count(sender.domain, bare, to.bare, self._limit * SERVER_FACTOR)
        elif stanza.type not in ("result", "error") and not self._other.take(sender.domain, now):
            if stanza.kind == "presence":
                return False
            raise StanzaError("policy-violation", "too much from people unknown here", type="wait")
        return True

    async def _load_roster(self, bare: str) -> None:
        try:
            with suppress(StanzaError):
                await self._accounts.roster(bare)
        finally:
            self._loading.discard(bare)

    def _people(self, key: str) -> set[str]:
        """The people a sender has written to."""
        reached = self._reached.get(key)
        return reached.names if reached is not None else set()

    def _count(self, key: str, sender: str, to: str, limit: int) -> None:
        """Counts a recipient for ``key``. Raises StanzaError if there are too many."""
        people = self._reached.names(key, self._now())
        if to in people:
            return
        if sender in self._people(to):
            return  # an answer
        if len(people) >= limit:
            raise StanzaError("policy-violation", "too many new people in an hour", type="wait")
        people.add(to)
