"""Sends stanzas from accounts of this node to accounts of other nodes, in order, until they have arrived.

Each stanza is in its sender's outbox: an entry of the sender's own log, flagged OUTGOING. If a node is down
or a request is lost, the stanza is late but not lost: it is sent again, with the same key and in the order
of its channel (from one account to one other), until the owner of the recipient answers. If another node
comes to own the sender, it continues with the outbox.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.ids import Ids, first_at
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.peers.bounces import Bounces
from kith.core.peers.requests import Message, Messages, encode, result
from kith.ports.bus import Bus, BusError
from kith.ports.placement import Placement
from kith.ports.store import OUTGOING, UNARCHIVED, Append, LogStore
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

#: Limits of one request: stanzas, and their bytes in total. A single larger stanza is sent alone.
_BATCH, _BATCH_BYTES = 50, 256 * 1024
#: How many stanzas of a channel are held in memory; the rest are read from the store when it is their turn.
_HELD = 500
#: Seconds to wait after a request without an answer before it is repeated: the first is doubled each time,
#: up to the second.
_RETRY, _RETRY_MOST = 0.2, 10.0
#: After this many requests without an answer, stanzas that are in no outbox are dropped.
_TRIES = 6
_PAGE = 200


class Departure:
    """A stanza in a channel. ``account`` and ``id`` identify its entry in the outbox.

    A message from another server has no entry; ``waiting`` is told the outcome instead.
    """

    __slots__ = ("account", "id", "key", "stanza", "waiting")

    def __init__(
        self, account: int, id: int, stanza: bytes, key: bytes, waiting: Sender | None = None
    ) -> None:
        self.account = account
        self.id = id
        self.stanza = stanza
        self.key = key
        self.waiting = waiting


class Channel:
    """The queue from one account to one other, with one request at a time so that the order is kept."""

    __slots__ = ("asking", "behind", "failures", "last", "more", "queue", "slot", "source", "to")

    def __init__(self, source: str, slot: int, to: str) -> None:
        self.source = source  # the sender's bare address
        self.slot = slot  # the sender's
        self.to = to
        self.queue: deque[Departure] = deque()
        self.asking = False
        self.failures = 0
        self.last = 0  # the id of the newest entry that has been in the queue
        self.behind = False  # whether the outbox has newer entries
        self.more = False  # whether one became durable since the outbox was last read


class Outbox:
    """The channels of all accounts of this node."""

    def __init__(
        self,
        placement: Placement,
        bus: Bus,
        store: LogStore,
        ids: Ids,
        accounts: Accounts,
        tasks: Tasks,
        randomness: Randomness,
        domain: Domain,
        bounces: Bounces,
        config: Config,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._patience = config.federation_queue_hours * 3600
        self._domain = domain
        self._bounces = bounces
        self._placement = placement
        self._bus = bus
        self._store = store
        self._ids = ids
        self._accounts = accounts
        self._tasks = tasks
        self._randomness = randomness
        self._channels: dict[tuple[str, str], Channel] = {}
        self._coming: Counter[tuple[str, str]] = Counter()

    @property
    def waiting(self) -> int:
        """How many stanzas are waiting in memory to be sent to other nodes."""
        return sum(len(channel.queue) for channel in self._channels.values())

    def expect(self, source: str, to: str) -> None:
        """Notes that a message between these bare addresses is being stored. `arrived` has to follow."""
        self._coming[source, to] += 1

    def arrived(self, source: str, to: str) -> None:
        """Notes that a message of `expect` is durable, or could not be stored."""
        self._coming[source, to] -= 1
        if not self._coming[source, to]:
            del self._coming[source, to]

    def has(self, source: str, to: str) -> bool:
        """Whether stanzas between these bare addresses have not arrived at the other node yet."""
        return (source, to) in self._channels or (source, to) in self._coming

    def depart(self, account: int, id: int, data: bytes, source: str, to: str) -> None:
        """Sends a stanza that is durable in the outbox of an account, as the entry ``id``.

        ``source`` and ``to`` are the bare addresses of its sender and its recipient.
        """
        channel = self._channel(source, to)
        if channel.behind or len(channel.queue) >= _HELD:
            channel.behind = channel.more = True
        else:
            channel.queue.append(Departure(account, id, data, _key(id)))
            channel.last = id
            self._send_next(channel)

    def keep(self, account: Account, stanza: Stanza, to: JID) -> None:
        """Stores a stanza that is no message in the outbox of an account, and sends it after the commit."""
        id, data = self._ids.next(account.slot), stanza.to_bytes()

        def done(existing: int | None, error: BaseException | None) -> None:
            if error is None:
                self.depart(account.id, id, data, account.jid, to.bare)
            else:
                self._tasks.failed("a subscription was not sent", error)

        self._store.append(Append(id, data, [(account.id, to.bare, OUTGOING | UNARCHIVED)], done))

    def pass_on(self, sender: Sender, stanza: Stanza, to: str) -> None:
        """Sends a message from another server, which has no outbox here. Its sender is
        told when it has arrived.

        It is refused if the other node does not answer for some time.
        """
        channel = self._channel(sender.bare, to)
        channel.queue.append(Departure(0, 0, stanza.to_bytes(), self._randomness.bytes(16), sender))
        self._send_next(channel)

    async def gained(self, slot: int) -> None:
        """Continues with the outboxes of a slot that this node now owns."""
        after = 0
        while entries := await self._store.outbox(slot, after, _PAGE):
            for entry in entries:
                after = entry.id
                if not self._domain.holds(parse_jid(entry.peer)):
                    continue  # it waits for another server
                source = parse_jid(Stanza.from_bytes(entry.stanza).attrs["from"]).bare
                self.depart(entry.account, entry.id, entry.stanza, source, entry.peer)

    def lost(self, slot: int) -> None:
        """Drops the channels of a slot that another node now owns."""
        self._channels = {key: channel for key, channel in self._channels.items() if channel.slot != slot}

    def _channel(self, source: str, to: str) -> Channel:
        channel = self._channels.get((source, to))
        if channel is None:
            channel = self._channels[source, to] = Channel(source, self._placement.slot(source), to)
        return channel

    def _is_current(self, channel: Channel) -> bool:
        return self._channels.get((channel.source, channel.to)) is channel

    def _send_next(self, channel: Channel) -> None:
        """Sends the next request, unless the answer to the previous one is still awaited."""
        if channel.asking or not self._is_current(channel):
            return
        batch: list[Departure] = []
        size = 0
        for departure in channel.queue:
            size += len(departure.stanza)
            if len(batch) == _BATCH or (batch and size > _BATCH_BYTES):
                break
            batch.append(departure)
        if batch:
            channel.asking = True
            data = encode(Messages([Message(one.key, one.stanza) for one in batch]))
            self._bus.ask(self._placement.slot(channel.to), data, partial(self._answered, channel, batch))
        elif channel.behind:
            channel.asking = True
            self._tasks.spawn(self._refill(channel))
        else:
            del self._channels[channel.source, channel.to]

    async def _refill(self, channel: Channel) -> None:
        """Reads the next stanzas of a channel from the store. New ones are only noted meanwhile."""
        channel.more = False
        try:
            account = await self._accounts.load(channel.source)
        except StanzaError:  # another node owns it
            return
        after, complete = channel.last, account is None
        while account is not None and not complete and len(channel.queue) < _HELD:
            entries = await self._store.outbox(channel.slot, after, _PAGE)
            complete = not entries
            for entry in entries:
                after = entry.id
                if (entry.account, entry.peer) == (account.id, channel.to):
                    channel.queue.append(Departure(entry.account, entry.id, entry.stanza, _key(entry.id)))
                    channel.last = entry.id
        channel.behind = channel.more or not complete
        channel.asking = False
        self._send_next(channel)

    def _answered(
        self, channel: Channel, batch: list[Departure], answer: bytes | None, error: BusError | None
    ) -> None:
        if not self._is_current(channel):
            return
        try:
            outcome = result(answer) if answer is not None else None
        except ValueError as problem:
            self._tasks.failed("an answer of another node can't be read", problem)
            outcome = None
        if outcome is not None:
            done = batch[: outcome.count]
            for departure in done:
                assert channel.queue[0] is departure
                channel.queue.popleft()
            if done:
                self._close(done, {refusal.place: refusal.error for refusal in outcome.refused})
                channel.failures = 0
        if outcome is None or outcome.count < len(batch):
            self._tasks.later(min(_RETRY * 2**channel.failures, _RETRY_MOST), partial(self._again, channel))
            channel.failures = min(channel.failures + 1, 16)
            return
        channel.failures = 0
        channel.asking = False
        self._send_next(channel)

    def _again(self, channel: Channel) -> None:
        self._return_old(channel)
        if channel.failures >= _TRIES:
            given_up = [departure for departure in channel.queue if departure.waiting is not None]
            channel.queue = deque(departure for departure in channel.queue if departure.waiting is None)
            for departure in given_up:
                refusal = Stanza.from_bytes(departure.stanza).error(
                    StanzaError("remote-server-timeout", type="wait")
                )
                self._tell(departure, refusal)
        channel.asking = False
        self._send_next(channel)

    def _return_old(self, channel: Channel) -> None:
        """Returns to their senders what has waited for too long. The other node may have got it, though."""
        before = first_at(datetime.fromtimestamp(self._clock.now() - self._patience, UTC))
        old = list(takewhile(lambda one: one.waiting is None and one.id < before, channel.queue))
        if not old:
            return
        error = StanzaError("remote-server-timeout", "the recipient was not reached in time", type="wait")
        answers = [Stanza.from_bytes(one.stanza).error(error) for one in old]
        for _ in old:
            channel.queue.popleft()
        self._close(
            old, {place: answer.to_bytes() for place, answer in enumerate(answers) if answer is not None}
        )

    def _close(self, batch: list[Departure], refused: dict[int, bytes]) -> None:
        """Removes the stanzas of a request from the outbox, and tells the senders of refused ones."""
        kept = []
        for place, departure in enumerate(batch):
            error = refused.get(place)
            if departure.waiting is not None:
                self._tell(departure, Stanza.from_bytes(error) if error is not None else None)
            elif error is None:
                kept.append(departure.id)
            else:
                self._return(departure, error)
        if kept:
            self._store.handed_on(batch[0].account, kept)

    def _return(self, departure: Departure, data: bytes) -> None:
        """Tells the sender of a stanza that it was refused.

        If that can't be stored now, it is tried again while this node owns the sender.
        """
        error = Stanza.from_bytes(data)

        def again() -> None:
            if self._placement.owns(parse_jid(error.attrs["to"]).bare):
                self._tasks.later(_RETRY_MOST, partial(self._return, departure, data))

        leave = partial(self._store.turned_away, departure.account, [departure.id])
        self._bounces.tell(error, departure.account, leave, again)

    def _tell(self, departure: Departure, refusal: Stanza | None) -> None:
        """Reports the outcome to the waiting caller, in the next iteration of the event loop."""
        sender = departure.waiting
        assert sender is not None
        if refusal is not None:
            sender.send(refusal)
        self._tasks.soon(sender.committed)


def _key(id: int) -> bytes:
    """The key by which the recipient's owner recognizes a message that has no origin id.

    Ids of a slot are never reused, so together with the sender's address the key is unique.
    """
    return b"\0" + id.to_bytes(8, "big")
