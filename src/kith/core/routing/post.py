"""Delivers what the server sends: to sessions of this node, to a service, or to another server or node."""

from __future__ import annotations

from collections.abc import Callable

from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.refused import stanza_refused
from kith.core.hooks.table import Hooks
from kith.core.log.envelope import After, Envelope
from kith.core.routing.hosts import Host, Hosts, Peers
from kith.ports.placement import Placement
from kith.ports.store import Unavailable
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Post:
    """Delivers to the accounts of ``domain`` that this node owns, and to `Hosts` for all other addresses.

    It also delivers messages after their commit (`kith.core.log.envelope.After`).
    """

    def __init__(
        self,
        domain: Domain,
        accounts: Accounts,
        hosts: Hosts,
        placement: Placement,
        hooks: Hooks,
        figures: Figures,
        tasks: Tasks,
    ) -> None:
        self.domain = domain
        self._name = domain.name
        self._end = f"@{domain.name}"
        self._owns = placement.owns
        self._accounts = accounts
        self._hosts = hosts
        self._hooks = hooks
        self._sent = hooks.message_sent_committed
        self._received = hooks.message_received_committed
        self._figures = figures
        self._tasks = tasks
        #: Handles messages that only their senders have (`kith.core.log.log.Log.append_sent`).
        self.sent_half: After = _SentHalf(self)
        #: Called with iqs that come back with an error, since the server itself could not send them.
        self.returned: list[Callable[[Stanza], None]] = []
        #: Called with messages that were committed for an account which left the memory in the meantime.
        self.unloaded: list[Callable[[Envelope], None]] = []

    def elsewhere(self, to: JID) -> Host | None:
        """The host for an address; None for the domain itself and for accounts owned by this node.

        All routing decisions use this method. Raises StanzaError if there is no host for the address.
        """
        if to.domain != self._name:
            return self._hosts.find(to.domain)
        if not to.local or self._owns(to.bare):
            return None
        return self.peers

    @property
    def peers(self) -> Peers:
        """The host for accounts of other nodes. Raises StanzaError if there is none."""
        if self._hosts.peers is None:
            raise StanzaError("recipient-unavailable", type="wait")
        return self._hosts.peers

    def is_owned(self, bare: str) -> bool:
        """Whether an account with this bare address would be owned by this node."""
        return bare.endswith(self._end) and self._owns(bare)

    def is_local(self, jid: JID) -> bool:
        """Whether the address is the domain itself or an account owned by this node."""
        return jid.domain == self._name and (not jid.local or self._owns(jid.bare))

    def allows(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Whether the features let a stanza reach ``to``. If they do not, the sender gets no error."""
        return self._hooks.allows(sender, to, stanza)

    def route(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Delivers a stanza made by the server or a feature, without logging it (RFC 6121 §8.5)."""
        account = self._accounts.get(to.bare)
        if account is None:
            if not self.is_local(to):
                if self.allows(sender, to, stanza):
                    self.to_host(stanza, sender, to)
            elif not to.local and stanza.kind == "iq":
                for returned in self.returned:
                    returned(stanza)
            return
        if not self.allows(sender, to, stanza):
            return
        if stanza.kind == "message":
            self.hand_over(account, Envelope(0, stanza.to_bytes(), stanza, to, None))
        elif to.resource:
            if (session := account.sessions.get(to.resource)) is not None:
                session.send(stanza)
        elif stanza.kind == "presence":
            data = stanza.to_bytes()
            for session in account.available():
                session.push(data)

    def to_host(self, stanza: Stanza, sender: JID, to: JID, strict: bool = False) -> None:
        """Gives a stanza to the host for its address. ``strict``: raises StanzaError if there is none."""
        try:
            host = self.elsewhere(to)
            if host is None:
                raise StanzaError("item-not-found")
            host.receive(stanza, sender, to)
        except StanzaError:
            if strict:
                raise

    def deliver(self, envelope: Envelope) -> None:
        """Delivers a logged message to the recipient's sessions or host, then tells the features."""
        to, sender = envelope.to, envelope.sender
        if to.domain == self._name:
            if (account := self._accounts.get(to.bare)) is not None:
                self.hand_over(account, envelope)
                self._figures.delivered += len(envelope.delivered_to)
                for hook in self._received:
                    hook(envelope, account)
                if account.waking is not None and envelope.id:
                    account.waking.received(envelope.id, envelope.stanza)
            else:
                self.wake(None, envelope)
        elif sender is not None:
            try:
                self._hosts.find(to.domain).receive(envelope.stanza, sender.jid, to)
            except StanzaError as error:
                stanza_refused(self._figures, envelope.stanza, error)
                sender.refuse(envelope.stanza, error)
        if sender is not None and (mine := sender.account) is not None:
            for hook in self._sent:
                hook(envelope, mine)
            if mine.waking is not None:
                mine.waking.sent(envelope.stanza, to)

    def wake(self, account: Account | None, envelope: Envelope) -> None:
        """A message was committed, and sent to the account's sessions in another way than by `deliver`.

        ``account``: the recipient, or None if it is not in memory.
        """
        if not envelope.id:
            return  # it is not kept
        if account is None:
            for missed in self.unloaded:
                missed(envelope)
        elif account.waking is not None:
            account.waking.received(envelope.id, envelope.stanza)

    def sent(self, envelope: Envelope) -> None:
        """Tells the features of the sender's half: the recipient's owner delivers it."""
        if envelope.sender is not None and (mine := envelope.sender.account) is not None:
            for hook in self._sent:
                hook(envelope, mine)
            if mine.waking is not None:
                mine.waking.sent(envelope.stanza, envelope.to)

    def known(self, envelope: Envelope) -> None:
        """A retry of a message that is durable: whoever was there has it."""

    def unstored(self, envelope: Envelope, error: BaseException) -> None:
        """Answers with an error a message that could not be stored, so that its sender may try again."""
        self._tasks.failed("message not stored", error)
        condition = error.condition if isinstance(error, Unavailable) else "internal-server-error"
        refusal = StanzaError(condition, type="wait")
        refusal.__cause__ = error
        stanza_refused(self._figures, envelope.stanza, refusal)
        if envelope.sender is not None:
            envelope.sender.refuse(envelope.stanza, refusal)

    def hand_over(self, account: Account, envelope: Envelope) -> None:
        """Delivers a message to the sessions of the account that should get it (RFC 6121 §8.5)."""
        targets = account.targets(envelope.to.resource, envelope.stanza.type)
        if not targets:
            return
        data = envelope.for_owner(account.jid)
        id = envelope.id
        for session in targets:
            session.push(data, id)
        envelope.delivered_to = targets


class _SentHalf:
    """After the commit, tells the features of the sender alone."""

    def __init__(self, post: Post) -> None:
        self.deliver = post.sent
        self.unstored = post.unstored
        self.known = post.known
