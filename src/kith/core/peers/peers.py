"""The other nodes, which appear to the router as one host for all accounts that this node does not own."""

from __future__ import annotations

import asyncio
from functools import partial

from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import COMMITTING, Work
from kith.core.actors.sender import Sender
from kith.core.log.envelope import Envelope
from kith.core.log.log import Log
from kith.core.peers.arrivals import Arrival
from kith.core.peers.notices import Notices
from kith.core.peers.outbox import Outbox
from kith.core.peers.requests import Check, Messages, Notice, Other, Probe, encode, request
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.core.routing.subscriptions import SUBSCRIPTION_TYPES
from kith.ports.bus import Bus, BusError, Reply
from kith.ports.placement import Placement
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: How many seconds it may take until what was taken waits for the store.
_LAST = 0.1
_EVENT = ns.tag(ns.PUBSUB_EVENT, "event")


class PeerNodes:
    """A `kith.core.routing.hosts.Peers`: sends stanzas to other nodes and takes those that come from them."""

    def __init__(
        self,
        placement: Placement,
        bus: Bus,
        accounts: Accounts,
        log: Log,
        post: Post,
        notices: Notices,
        router: Router,
        tasks: Tasks,
        figures: Figures,
        outbox: Outbox,
    ) -> None:
        self._placement = placement
        self._bus = bus
        self._accounts = accounts
        self._log = log
        self._post = post
        self._notices = notices
        notices.handle = self._handle
        self._closed = False
        self._admit = router.admit_peer
        self._tasks = tasks
        self._figures = figures
        self._outbox = outbox

    @property
    def waiting(self) -> int:
        """How many stanzas are waiting in memory to be sent to other nodes."""
        return self._outbox.waiting

    # -- slots -------------------------------------------------------------------------------------

    async def gained(self, slot: int) -> None:
        """Starts taking stanzas for a slot that this node now owns, and continues with its outboxes."""
        self._notices.gained(slot)
        if not self._closed:
            self._bus.serve(slot, partial(self._take, slot))
        await self._outbox.gained(slot)

    def lost(self, slot: int) -> None:
        """Stops taking stanzas for a slot that another node now owns."""
        self._bus.stop(slot)
        self._notices.lost(slot)
        self._outbox.lost(slot)

    async def close(self) -> None:
        """Stops taking stanzas, since sessions are saved next, and waits for those that it has taken."""
        self._closed = True
        for slot in self._notices.slots:
            self._bus.stop(slot)
        await asyncio.sleep(_LAST)

    # -- to other nodes ----------------------------------------------------------------------------

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Sends a stanza that is not kept.

        Subscription requests use the outbox instead, so they are not lost.
        """
        if stanza.kind == "presence" and stanza.type in SUBSCRIPTION_TYPES:
            account = self._accounts.get(sender.bare)
            if account is not None:
                self._outbox.keep(account, stanza, to)
                return
        if stanza.kind == "presence" and stanza.type == "probe":
            self._notices.probe(stanza, to)
        elif stanza.kind == "presence" or _EVENT in stanza.children:
            self._notices.tell(stanza, sender, to)
        elif stanza.kind == "iq":
            asked = partial(self._asked, stanza, sender, to)
            self._bus.ask(self._placement.slot(to.bare), encode(Other(stanza.to_bytes())), asked)
        else:
            self._bus.tell(self._placement.slot(to.bare), encode(Other(stanza.to_bytes())))

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        """Stores a message in its sender's outbox; it is sent once it is durable."""
        if sender.account is None:
            self._outbox.pass_on(sender, stanza, to.bare)
        else:
            self._outbox.expect(sender.bare, to.bare)
            self._log.append(sender, stanza, to, None, self._log.verdict(stanza), outgoing=self)
        return COMMITTING

    def deliver(self, envelope: Envelope) -> None:
        """Sends a message that is durable in its sender's outbox (`kith.core.log.envelope.After`)."""
        assert envelope.sender is not None
        assert envelope.sender.account is not None
        source, to = envelope.sender.bare, envelope.to.bare
        self._outbox.arrived(source, to)
        self._outbox.depart(envelope.sender.account.id, envelope.id, envelope.data, source, to)
        self._post.sent(envelope)

    def known(self, envelope: Envelope) -> None:
        """Handles a retry: the first attempt is, or was, in the outbox (`kith.core.log.envelope.After`)."""
        assert envelope.sender is not None
        self._outbox.arrived(envelope.sender.bare, envelope.to.bare)

    def has_earlier(self, sender: str, to: str) -> bool:
        return self._outbox.has(sender, to)

    def unstored(self, envelope: Envelope, error: BaseException) -> None:
        """Answers with an error a message that could not be stored (`kith.core.log.envelope.After`)."""
        self.known(envelope)
        self._post.unstored(envelope, error)

    def _asked(self, iq: Stanza, sender: JID, to: JID, answer: bytes | None, error: BusError | None) -> None:
        """Answers an iq that no node has confirmed with an error, so that the sender tries again."""
        if error is not None and (refusal := iq.error(StanzaError("recipient-unavailable", type="wait"))):
            self._post.route(refusal, to, sender)

    # -- from other nodes --------------------------------------------------------------------------

    def _take(self, slot: int, data: bytes, reply: Reply) -> None:
        """Handles a request or notice for a slot of this node. One that can't be read is not answered."""
        try:
            said = request(data)
        except ValueError as problem:
            self._tasks.failed("what another node says can't be read", problem)
            return
        if isinstance(said, Messages):
            self._arrival().request(said.messages, reply)
        elif isinstance(said, Other):
            reply(b"")
            self._handle(Stanza.from_bytes(said.stanza))
        elif isinstance(said, Notice):
            self._notices.take(slot, said)
        elif isinstance(said, Probe):
            self._notices.take_probe(said, reply)
        elif isinstance(said, Check):
            self._notices.take_check(slot, said, reply)
        else:
            self._notices.moved(said)

    def _handle(self, stanza: Stanza) -> None:
        self._arrival().notice(stanza)

    def _arrival(self) -> Arrival:
        return Arrival(self._tasks, self._figures, self._post, self._admit)
