"""The other nodes, which appear to the router as one host for all accounts that this node does not own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import partial

from kith.base.figures import Figures
from kith.base.slots import SLOTS
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import COMMITTING, Work
from kith.core.actors.sender import Sender
from kith.core.log.envelope import Envelope
from kith.core.log.log import Log
from kith.core.peers.arrivals import Arrival
from kith.core.peers.outbox import Outbox
from kith.core.peers.requests import Messages, Moved, Other, encode, request
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.core.routing.router import Router
from kith.core.routing.subscriptions import SUBSCRIPTION_TYPES
from kith.ports.bus import Bus, BusError, Reply
from kith.ports.placement import Placement
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

#: How many notices of moved slots are remembered: each arrives once for every slot that is owned here.
_EVENTS = 1000


class PeerNodes:
    """A `kith.core.routing.hosts.Peers`: sends stanzas to other nodes and takes those that come from them."""

    def __init__(
        self,
        placement: Placement,
        bus: Bus,
        accounts: Accounts,
        log: Log,
        post: Post,
        presence: Presence,
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
        self._presence = presence
        self._admit = router.admit_peer
        self._tasks = tasks
        self._figures = figures
        self._outbox = outbox
        self._events: deque[bytes] = deque(maxlen=_EVENTS)

    @property
    def waiting(self) -> int:
        """How many stanzas are waiting in memory to be sent to other nodes."""
        return self._outbox.waiting

    # -- slots -------------------------------------------------------------------------------------

    async def gained(self, slot: int) -> None:
        """Starts taking stanzas for a slot that this node now owns, and continues with its outboxes."""
        self._bus.serve(slot, self._take)
        await self._outbox.gained(slot)

    def lost(self, slot: int) -> None:
        """Stops taking stanzas for a slot that another node now owns."""
        self._bus.stop(slot)
        self._outbox.lost(slot)

    def announce(self, event: bytes, slots: Iterable[int]) -> None:
        """Tells all nodes that this one now owns these slots. ``event`` is a unique name for the notice."""
        notice = encode(Moved(event, sorted(slots)))
        for slot in range(SLOTS):
            self._bus.tell(slot, notice)

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
        data = encode(Other(stanza.to_bytes()))
        slot = self._placement.slot(to.bare)
        if stanza.kind == "iq":
            self._bus.ask(slot, data, partial(self._asked, stanza, sender, to))
        else:
            self._bus.tell(slot, data)

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

    def _take(self, data: bytes, reply: Reply) -> None:
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
            self._arrival().notice(said.stanza)
        else:
            self._moved(said)

    def _arrival(self) -> Arrival:
        return Arrival(self._tasks, self._figures, self._post, self._admit)

    def _moved(self, moved: Moved) -> None:
        """Probes again the presence of contacts that have a new owner, for all that are online here.

        Sessions that ended with the owner of before are in no answer, so the contact is unavailable until its
        new owner says otherwise: from its bare address, as if it had no session (RFC 6121 §4.3.2).
        """
        if moved.event in self._events:
            return
        self._events.append(moved.event)
        slots = frozenset(moved.slots)
        for account in self._accounts.all():
            sessions = account.available()
            if not sessions or account.roster is None:
                continue
            for contact in account.roster.contacts_to():
                to = parse_jid(contact)
                has_moved = self._placement.slot(contact) in slots
                # its own first probes may have been answered to the owner of before
                if not self._post.domain.holds(to) or not (has_moved or account.slot in slots):
                    continue
                for session in sessions:
                    if has_moved:
                        gone = {"type": "unavailable", "from": contact, "to": session.full}
                        session.send(Stanza.build("presence", gone))
                    probe = {"type": "probe", "from": session.full, "to": contact}
                    work = self._presence.handle(session, Stanza.build("presence", probe), to)
                    if work is not None:
                        self._tasks.spawn(work)
