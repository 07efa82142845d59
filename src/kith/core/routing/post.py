"""What the server sends, and where it goes: to sessions here, to a service, to another server."""

from __future__ import annotations

from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.refused import stanza_refused
from kith.core.hooks.table import Hooks
from kith.core.log.envelope import Envelope
from kith.core.routing.hosts import Host, Hosts, Peers
from kith.ports.placement import Placement
from kith.ports.store import Unavailable
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Post:
    """The accounts of ``domain`` that this node owns are here; `Hosts` answer for all others.

    It is also who goes on with a message after its commit (`kith.core.log.envelope.After`).
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

    def elsewhere(self, to: JID) -> Host | None:
        """Who answers for an address; None if it is the domain's own, or an account's that is owned here.

        This is the one place that asks. Raises StanzaError if nobody answers for it.
        """
        if to.domain != self._name:
            return self._hosts.find(to.domain)
        if not to.local or self._owns(to.bare):
            return None
        return self.peers

    @property
    def peers(self) -> Peers:
        """Who answers for the accounts of other nodes. Raises StanzaError if nobody does."""
        if self._hosts.peers is None:
            raise StanzaError("recipient-unavailable", type="wait")
        return self._hosts.peers

    def is_owned(self, bare: str) -> bool:
        """Whether a bare address is of an account that is owned here, if there is one."""
        return bare.endswith(self._end) and self._owns(bare)

    def is_local(self, jid: JID) -> bool:
        """The same for an address of any kind; the domain's own is."""
        return jid.domain == self._name and (not jid.local or self._owns(jid.bare))

    def allows(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Whether the features let a stanza reach ``to``, where no one is told if not."""
        return self._hooks.allows(sender, to, stanza)

    def route(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Delivers a stanza of the server's or a feature's own, unlogged (RFC 6121 §8.5)."""
        account = self._accounts.get(to.bare)
        if account is None:
            if not self.is_local(to) and self.allows(sender, to, stanza):
                self.abroad(stanza, sender, to)
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

    def abroad(self, stanza: Stanza, sender: JID, to: JID, strict: bool = False) -> None:
        """Hands a stanza to who answers for its address. ``strict``: raises StanzaError if nobody does."""
        try:
            host = self.elsewhere(to)
            if host is None:
                raise StanzaError("item-not-found")
            host.receive(stanza, sender, to)
        except StanzaError:
            if strict:
                raise

    def deliver(self, envelope: Envelope) -> None:
        """Rings the recipient's sessions, or sends it abroad; then tells the features."""
        to, sender = envelope.to, envelope.sender
        if to.domain == self._name:
            if (account := self._accounts.get(to.bare)) is not None:
                self.hand_over(account, envelope)
                self._figures.delivered += len(envelope.delivered_to)
                for hook in self._received:
                    hook(envelope, account)
        elif sender is not None:
            try:
                self._hosts.find(to.domain).receive(envelope.stanza, sender.jid, to)
            except StanzaError as error:
                stanza_refused(self._figures, envelope.stanza, error)
                sender.refuse(envelope.stanza, error)
        if sender is not None and (mine := sender.account) is not None:
            for hook in self._sent:
                hook(envelope, mine)

    def unstored(self, envelope: Envelope, error: BaseException) -> None:
        """A message could not be stored: its sender may try again."""
        self._tasks.failed("message not stored", error)
        condition = error.condition if isinstance(error, Unavailable) else "internal-server-error"
        refusal = StanzaError(condition, type="wait")
        refusal.__cause__ = error
        stanza_refused(self._figures, envelope.stanza, refusal)
        if envelope.sender is not None:
            envelope.sender.refuse(envelope.stanza, refusal)

    def hand_over(self, account: Account, envelope: Envelope) -> None:
        """Gives a message to those of the account's sessions that are to get it (RFC 6121 §8.5)."""
        targets = account.targets(envelope.to.resource, envelope.stanza.type)
        if not targets:
            return
        data = envelope.for_owner(account.jid)
        id = envelope.id
        for session in targets:
            session.push(data, id)
        envelope.delivered_to = targets
