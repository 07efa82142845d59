"""Decides what happens to each stanza (RFC 6120 §8 and §10, RFC 6121 §8)."""

from __future__ import annotations

from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import COMMITTING, LATER, Work
from kith.core.actors.sender import Sender
from kith.core.hooks.table import Hooks
from kith.core.log.envelope import Envelope
from kith.core.log.log import MAX_WAITING, Keep, Log
from kith.core.routing.asserted import Assertions
from kith.core.routing.foreign import Foreign
from kith.core.routing.hosts import Hosts
from kith.core.routing.iqs import Iqs
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.core.routing.subscriptions import SUBSCRIPTION_TYPES, Subscriptions
from kith.ports.store import Store
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import LANG, Stanza

_UNLOGGED = frozenset(("headline", "groupchat", "error"))
#: Types of messages that are dropped without an error: a room would remove the occupant that sends one
#: (XEP-0045 §9.6), and headlines expect no answer (RFC 6121 §8.5).
_UNANSWERED = frozenset(("headline", "groupchat"))


class Router:
    """Handles what sessions and links send. For speed, nothing is awaited between the socket and the log."""

    def __init__(
        self,
        domain: Domain,
        store: Store,
        accounts: Accounts,
        hosts: Hosts,
        hooks: Hooks,
        log: Log,
        post: Post,
        presence: Presence,
        subscriptions: Subscriptions,
        iqs: Iqs,
        assertions: Assertions,
        figures: Figures,
    ) -> None:
        self._name = domain.name
        self._store = store
        self._accounts = accounts
        self._hosts = hosts
        self._hooks = hooks
        self._message_sent, self._stanza_in = hooks.message_sent, hooks.stanza_in
        self._log = log
        self._post = post
        self._presence = presence
        self._subscriptions = subscriptions
        self._iqs = iqs
        self._assertions = assertions
        self._figures = figures

    def handle(self, session: Session, stanza: Stanza) -> Work:
        """Handles a stanza from a client.

        Returns what `kith.core.actors.intake.Intake.handle` may return. Raises StanzaError, StreamError.
        """
        kind = stanza.kind
        if self._assertions.concerns(stanza):
            self._assertions.check(stanza, session.jid)
        attrs = stanza.attrs
        sender = attrs.get("from")
        if sender is not None and sender != session.full:
            self._check_from(session, sender)
        stanza.stamp("from", session.full)
        to_text = attrs.get("to")
        to: JID | None = None
        if to_text is not None:
            try:
                to = parse_jid(to_text)
            except ValueError:
                raise StanzaError("jid-malformed") from None
        if session.lang and kind != "iq" and LANG not in attrs:
            stanza.stamp(LANG, session.lang)
        if kind == "message":
            self._figures.messages += 1
            to = to or session.account.address
            if to.domain != self._name:
                return self._message_to_other_domain(session, stanza, to)
            return self._message(session, stanza, to)
        self._hooks.stanza_out(session, stanza, to)
        if kind == "iq":
            self._figures.iqs += 1
            return self._iqs.route(session, stanza, to)
        self._figures.presences += 1
        if stanza.type in SUBSCRIPTION_TYPES:
            if to is None:
                raise StanzaError("bad-request", "a subscription needs an address")
            return self._subscriptions.handle(session, stanza, to.to_bare())
        return self._presence.handle(session, stanza, to)

    def admit(self, sender: Foreign, stanza: Stanza, to: JID) -> Work:
        """As `handle`, for a stanza from another server or a component.

        Its ``from`` and ``to`` were checked by the caller.
        """
        self._figures.foreign += 1
        if self._assertions.concerns(stanza):
            self._assertions.check(stanza, sender.jid)
        return self.admit_peer(sender, stanza, to)

    def admit_peer(self, sender: Foreign, stanza: Stanza, to: JID) -> Work:
        """As `handle`, for a stanza from another node, which has checked it."""
        if to.domain != self._name:
            host = self._hosts.here(to.domain)
            if host is None:
                raise StanzaError("item-not-found")
            if stanza.kind == "message" and (keeping := self._hosts.keeping.get(to.domain)) is not None:
                return keeping.admit(sender, stanza, to)
            if stanza.kind == "iq" and to.domain in self._iqs.services:
                return self._iqs.route(sender, stanza, to)
            host.receive(stanza, sender.jid, to)
            return None
        if stanza.kind == "message":
            return self._message(sender, stanza, to)
        if stanza.kind == "iq":
            return self._iqs.route(sender, stanza, to)
        subscription = stanza.type in SUBSCRIPTION_TYPES
        if not self._post.is_local(to):
            if subscription:
                return self._post.peers.admit(sender, stanza, to)
            self._post.to_host(stanza, sender.jid, to)
            return None
        if to.local and subscription:
            return self._subscriptions.admit(sender, stanza, to.to_bare())
        return self._presence.admit(sender, stanza, to)

    def _check_from(self, session: Session, sender: str) -> None:
        """Refuses another account as ``from`` (RFC 6120 §4.9.3.9); replaces another resource (§8.1.2.1).

        Converse.js sends a resource of its own after it has resumed a session.
        """
        try:
            jid = parse_jid(sender)
        except ValueError:
            jid = None
        if jid is None or jid.to_bare() != session.account.address:
            raise StreamError("invalid-from")

    # -- messages ---------------------------------------------------------------------------------

    def _message(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        if not to.local:
            if stanza.type == "error":
                return None
            raise StanzaError("service-unavailable")
        jid = to.bare
        recipient = self._accounts.get(jid)
        if recipient is None:
            if not self._post.is_owned(jid):
                return self._message_to(sender, stanza, to, None)
            if not self._accounts.is_known_missing(jid):
                return LATER if sender.committing else self._message_later(sender, stanza, to)
            self._nobody(sender, stanza, to)
            return None
        return self._message_to(sender, stanza, to, recipient)

    def _nobody(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """Answers a message to an account that does not exist (RFC 6121 §8.5.1).

        Limits for strangers apply.
        """
        if stanza.type == "error":
            return
        if isinstance(sender, Session):
            self._hooks.message_sent(sender, stanza, to)
        if self._admits(sender, stanza, to) and stanza.type != "headline":
            raise StanzaError("service-unavailable")

    def _admits(self, sender: Sender, stanza: Stanza, to: JID) -> bool:
        """Whether the message may reach the account.

        False: it is dropped. Raises StanzaError to refuse it.
        """
        try:
            for hook in self._stanza_in:
                if not hook(sender.jid, to, stanza):
                    return False
            return True
        except StanzaError as error:
            # rooms need to know about a moved account
            if stanza.type in _UNANSWERED and error.condition != "gone":
                return False
            raise

    async def _message_later(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """Handles a message after the recipient was read from the store."""
        recipient = await self._accounts.load(to.bare)
        if recipient is None:
            self._nobody(sender, stanza, to)
        elif self._message_to(sender, stanza, to, recipient) is COMMITTING:
            sender.pipelined()

    def _keep(self, stanza: Stanza) -> Keep:
        return Keep.NOTHING if stanza.type in _UNLOGGED else self._log.verdict(stanza)

    def _message_to(self, sender: Sender, stanza: Stanza, to: JID, recipient: Account | None) -> Work:
        """Handles a message to an account. ``recipient``: None if another node owns it."""
        keep = self._keep(stanza)
        if keep is Keep.NOTHING:
            if sender.committing:
                return LATER
        elif self._store.waiting_bytes > MAX_WAITING:
            raise StanzaError("resource-constraint", "the disk does not keep up")
        here = recipient.sessions if recipient is not None else (to.resource,)
        if stanza.type == "groupchat" and (not to.resource or to.resource not in here):
            raise StanzaError("service-unavailable")
        if isinstance(sender, Session):
            for hook in self._message_sent:
                hook(sender, stanza, to)
        if recipient is None:
            return self._message_to_peer(sender, stanza, to, keep)
        if not self._admits(sender, stanza, to):
            dropped = keep is Keep.ARCHIVE and self._log.append_sent(sender, stanza, to, self._post.sent_half)
            return COMMITTING if dropped else None
        if keep is Keep.NOTHING:
            self._post.deliver(Envelope(0, stanza.to_bytes(), stanza, to, sender))
            return None
        peers = self._hosts.peers
        if peers is not None and sender.account is not None and peers.has_earlier(sender.bare, to.bare):
            return peers.admit(sender, stanza, to)
        self._log.append(sender, stanza, to, recipient, keep)
        return COMMITTING

    def _message_to_peer(self, sender: Sender, stanza: Stanza, to: JID, keep: Keep) -> Work:
        """Sends a message to another node, which checks it with its features and keeps it."""
        peers = self._post.peers
        if keep is Keep.NOTHING:
            peers.receive(stanza, sender.jid, to)
            return None
        return peers.admit(sender, stanza, to)

    def _message_to_other_domain(self, session: Session, stanza: Stanza, to: JID) -> Work:
        """Sends a message to a component, a service or another server."""
        keeping = self._hosts.keeping.get(to.domain)
        if keeping is not None:
            return keeping.admit(session, stanza, to)
        remote = self._hosts.remote
        if self._hosts.find(to.domain) is not remote:
            remote = None
        keep = self._keep(stanza)
        if remote is not None and stanza.type == "groupchat" and self._log.verdict(stanza) > Keep.NOTHING:
            keep = Keep.QUEUE  # the room has the archive
        archived = keep is Keep.ARCHIVE and self._log.wants(session.account, to.bare)
        stored = archived or (remote is not None and keep is not Keep.NOTHING)
        if session.committing and not stored:
            return LATER
        if stored and self._store.waiting_bytes > MAX_WAITING:
            raise StanzaError("resource-constraint", "the disk does not keep up")
        self._hooks.message_sent(session, stanza, to)
        if remote is not None and stored:
            return remote.admit(session, stanza, to, keep)
        if archived:
            self._log.append(session, stanza, to, None, keep)
            return COMMITTING
        self._post.deliver(Envelope(0, stanza.to_bytes(), stanza, to, session))
        return None
