"""Sends stanzas to other servers, over one link for each pair of domains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.ids import Ids
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import COMMITTING, Work
from kith.core.log.envelope import Envelope
from kith.core.log.log import Keep, Log
from kith.core.peers.bounces import Bounces
from kith.core.routing.post import Post
from kith.core.routing.subscriptions import SUBSCRIPTION_TYPES
from kith.federation.connection import Connection
from kith.federation.contacts import Contacts
from kith.federation.link import Link
from kith.federation.opening import Opening
from kith.federation.outbox import Departure, DomainOutbox
from kith.federation.refusals import Refusals
from kith.federation.usage import Usage
from kith.ports.store import OUTGOING, UNARCHIVED, Append, LogStore
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: The maximum number of links.
MAX_LINKS = 5000
#: How long to wait, in seconds, for other servers to confirm what they were sent, when the server stops.
_FAREWELL = 2.0


class Outgoing:
    """The `kith.core.routing.hosts.Remote` for all domains that are not on this server.

    Messages and subscription requests are in the outbox of their sender before they are sent, so that they
    survive restarts. Other stanzas are only in memory.

    ``streams``: how many streams are open. ``failures``: how often none could be opened. ``patience``: for
    how many seconds messages wait for a server that is not reached.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        tasks: Tasks,
        randomness: Randomness,
        post: Post,
        accounts: Accounts,
        store: LogStore,
        log: Log,
        ids: Ids,
        bounces: Bounces,
        contacts: Contacts,
        opening: Opening,
    ) -> None:
        self.clock = clock
        self.tasks = tasks
        self.randomness = randomness
        self.post = post
        self.patience = config.federation_queue_hours * 3600
        self._name = domain.name
        self._accounts = accounts
        self._store = store
        self._log = log
        self._ids = ids
        self._bounces = bounces
        self._opening = opening
        self._usage = Usage(store, tasks, clock, domain.name)
        self._links: dict[tuple[str, str], Link] = {}
        self._stopping = False
        #: Takes what other servers send over streams that were opened to them, given both domains (XEP-0288);
        #: None: they are not offered to.
        self.answers: Callable[[str, str, Stanza], None] | None = None
        self.refusals = Refusals(clock, bounces)
        self.keys = opening.keys
        self.verify = opening.verify
        self.wants = contacts.wants
        self.refresh = contacts.refresh
        self.streams = 0
        self.failures = 0

    @property
    def waiting(self) -> int:
        """How many stanzas wait for other servers."""
        return self._usage.messages + sum(link.waiting for link in self._links.values())

    async def start(self) -> None:
        """Continues with the outboxes."""
        for domain in {queued.domain for queued in await self._usage.read()}:
            self._link(self._name, domain).resume()

    async def stop(self) -> None:
        """Waits for a moment until other servers have confirmed what they were sent.

        What they have not is sent again after the next start.
        """
        self._stopping = True
        deadline = self.clock.steady() + _FAREWELL
        while self.clock.steady() < deadline:
            if not any(link.outbox.unconfirmed for link in self._links.values()):
                break
            await asyncio.sleep(0.02)

    # -- for the router ----------------------------------------------------------------------------

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Sends a stanza that is not stored, except subscription requests. Raises StanzaError."""
        if stanza.kind == "presence" and stanza.type in SUBSCRIPTION_TYPES:
            account = self._accounts.get(sender.bare)
            if account is not None and not account.leaving:
                self._keep(account, stanza, to)
                return
        self._link(sender.domain, to.domain).send(stanza, sender)

    def refuse(self, error: Stanza, sender: JID, to: JID, settled: Callable[[], None]) -> None:
        """Sends an error for a message of another server. Raises StanzaError if that is not possible.

        ``settled`` is called once that server has it, or it was given up, as it is not reached.
        """
        self._link(sender.domain, to.domain).send(error, sender, settled)

    def admit(self, session: Session, stanza: Stanza, to: JID, keep: Keep) -> Work:
        """Stores a message in the outbox of its sender; it is sent once it is durable. Raises StanzaError."""
        self._link(self._name, to.domain)
        if not stanza.id:
            stanza.stamp("id", self.randomness.uuid())  # so that the other server recognizes a repetition
        self._usage.add(session.account.id, len(stanza.to_bytes()))
        self._log.append(session, stanza, to, None, keep, outgoing=self)
        return COMMITTING

    def deliver(self, envelope: Envelope) -> None:
        """Sends a message that is durable in its sender's outbox (`kith.core.log.envelope.After`)."""
        assert envelope.sender is not None
        account = envelope.sender.account
        assert account is not None
        self._depart(account, envelope.id, envelope.data, envelope.to)
        self.post.sent(envelope)

    def known(self, envelope: Envelope) -> None:
        """Handles a retry: the first attempt is, or was, in the outbox (`kith.core.log.envelope.After`)."""
        assert envelope.sender is not None
        assert envelope.sender.account is not None
        self._usage.remove(envelope.sender.account.id, len(envelope.data))

    def unstored(self, envelope: Envelope, error: BaseException) -> None:
        """Answers with an error a message that could not be stored (`kith.core.log.envelope.After`)."""
        self.known(envelope)
        self.post.unstored(envelope, error)

    def _keep(self, account: Account, stanza: Stanza, to: JID) -> None:
        """Stores a subscription request in the outbox of an account, and sends it after the commit."""
        link = self._link(self._name, to.domain)
        id, data = self._ids.next(account.slot), stanza.to_bytes()
        self._usage.add(account.id, len(data), limited=False)

        def done(existing: int | None, error: BaseException | None) -> None:
            link.arrived()
            if error is None:
                self._depart(account, id, data, to)
            else:
                self._usage.remove(account.id, len(data))
                self.tasks.failed("a subscription was not sent", error)

        link.expect(id)
        self._store.append(Append(id, data, [(account.id, to.bare, OUTGOING | UNARCHIVED)], done))

    def _depart(self, account: Account, id: int, data: bytes, to: JID) -> None:
        try:
            link = self._link(self._name, to.domain)
        except StanzaError as error:  # there are more links than ever since it was admitted
            self.tasks.failed("a message waits for the next start", error)
        else:
            link.depart(Departure(account.id, id, data))

    # -- links -------------------------------------------------------------------------------------

    def _link(self, local: str, remote: str) -> Link:
        """The link between two domains. Raises StanzaError if there are too many."""
        link = self._links.get((local, remote))
        if link is None:
            if len(self._links) >= MAX_LINKS:
                self._links = {pair: link for pair, link in self._links.items() if not link.idle}
                if len(self._links) >= MAX_LINKS:
                    raise StanzaError("resource-constraint", "there are too many other servers", type="wait")
            outbox = DomainOutbox(remote, self._store, self._bounces, self._usage)
            link = self._links[local, remote] = Link(self, local, remote, outbox)
        return link

    async def open(self, local: str, remote: str) -> tuple[Connection, bool]:
        """Opens a stream, for a link. Raises Failure."""
        if self._stopping:
            await asyncio.Event().wait()  # until the task is cancelled
        return await self._opening.open(local, remote, both_ways=self.answers is not None)

    def heard(self, local: str, remote: str) -> None:
        """The server of a domain has authenticated on a stream to us."""
        link = self._links.get((local, remote))
        if link is not None:
            link.heard()

    def answered(self, local: str, remote: str, id: str) -> None:
        """The server of a domain has answered the iq with this id."""
        link = self._links.get((local, remote))
        if link is not None:
            link.answered(id)
