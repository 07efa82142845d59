"""The signalling of calls: what is kept of it, how much of it a sender may send, and who may send it to whom.

Devices ring by a message of XEP-0353 to the account, so all of them ring; the answers are messages too, so by
carbons (XEP-0280) all devices of both sides stop ringing at once, and those that were away find in the
archive that a call was missed, or answered elsewhere. The session itself (XEP-0166) is negotiated by iqs
between two devices. The server passes both on as they are; it does not look into descriptions of media.

Blocked people are turned away by `kith.features.blocking`, strangers by `kith.features.correspondents`: what
they send is dropped without an error, so that they see a call that nobody answers.
"""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.rates import Distinct, RateLimit
from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.core.log.log import Keep
from kith.core.routing.hosts import Hosts
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.jingle import INVITE, JINGLE, MESSAGES, PROCEED, PROPOSE, RINGING
from kith.wire.stanza import Stanza

#: How often an account may call in ten minutes, whomever.
MAX_CALLS, CALLS_SECONDS = 30, 600.0
#: How often it may call the same person in two minutes.
MAX_CALLS_EACH, EACH_SECONDS = 6, 120.0
#: Other messages about calls in ten minutes: answers, and that a device rings.
MAX_MESSAGES, MESSAGES_SECONDS = 300, 600.0
#: Requests of sessions in ten minutes, answers to them not counted. A call takes 10 to 60, most of them
#: with one candidate each.
MAX_REQUESTS, REQUESTS_SECONDS = 1200, 600.0
#: All people of another server together may send so many times what one of them may.
SERVER_FACTOR = 10
_HOUR = 3600.0
_BEGIN = frozenset((PROPOSE, INVITE))
_AGREE = frozenset((PROPOSE, PROCEED))


class CallSignalling(Feature):
    """Keeps the messages that a device has to know later, and applies the limits."""

    keeps = {  # noqa: RUF012  # declared as ClassVar in Feature
        **dict.fromkeys(MESSAGES, Keep.ARCHIVE),
        RINGING: Keep.NOTHING,
    }

    def __init__(self, domain: Domain, clock: Clock, hosts: Hosts) -> None:
        self._here = domain.name
        self._now = clock.steady
        self._hosts = hosts
        self._calls = RateLimit(MAX_CALLS, CALLS_SECONDS)
        self._calls_each = RateLimit(MAX_CALLS_EACH, EACH_SECONDS)
        self._messages = RateLimit(MAX_MESSAGES, MESSAGES_SECONDS)
        self._requests = RateLimit(MAX_REQUESTS, REQUESTS_SECONDS)
        self._server_calls = RateLimit(MAX_CALLS * SERVER_FACTOR, CALLS_SECONDS)
        self._server_messages = RateLimit(MAX_MESSAGES * SERVER_FACTOR, MESSAGES_SECONDS)
        self._server_requests = RateLimit(MAX_REQUESTS * SERVER_FACTOR, REQUESTS_SECONDS)
        self._agreed = Distinct(_HOUR)  # with whom an account has begun or answered a call

    async def acquainted(self, account: JID, other: str) -> bool:
        return self.acquainted_now(account, other)

    def acquainted_now(self, account: JID, other: str) -> bool:
        """Whoever has called somebody, or answered, lets them negotiate the session, contact or not."""
        agreed = self._agreed.get(account.bare)
        return agreed is not None and other in agreed.names and self._now() - agreed.since < _HOUR

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Counts what a device here sends."""
        if MESSAGES.isdisjoint(stanza.children) or stanza.type == "error":
            return
        self._count(session.account.jid, to.bare, stanza)
        if not _AGREE.isdisjoint(stanza.children):
            self._agreed.names(session.account.jid, self._now()).add(to.bare)

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        if JINGLE in stanza.children and stanza.type == "set":
            self._take(self._requests, session.account.jid)

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Counts what comes from other servers. Components are trusted by the operator."""
        if sender.domain == self._here or stanza.type == "error":
            return True
        if stanza.kind == "message":
            if not MESSAGES.isdisjoint(stanza.children) and self._hosts.here(sender.domain) is None:
                self._count(sender.bare, to.bare, stanza)
                begins = not _BEGIN.isdisjoint(stanza.children)
                self._take(self._server_calls if begins else self._server_messages, sender.domain)
        elif JINGLE in stanza.children and stanza.type == "set" and self._hosts.here(sender.domain) is None:
            self._take(self._requests, sender.bare)
            self._take(self._server_requests, sender.domain)
        return True

    def _count(self, sender: str, to: str, stanza: Stanza) -> None:
        """Counts a message. Raises StanzaError if there were too many."""
        if _BEGIN.isdisjoint(stanza.children):
            self._take(self._messages, sender)
        elif sender != to:
            self._take(self._calls, sender)
            self._take(self._calls_each, (sender, to))

    def _take(self, limit: RateLimit, key: object) -> None:
        if not limit.take(key, self._now()):
            raise StanzaError("policy-violation", "too many calls in a short time", type="wait")
