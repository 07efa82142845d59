"""Faults to be planted in the product's code. The simulation has to find each of them.

Each is a change to one of the product's functions, as a mistake in it would be; nothing of the simulation is
touched. ``breaks`` is a part of what the simulation says then.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kith.base.ids import Ids
from kith.core.actors.account import Session
from kith.core.actors.delivery import Delivery
from kith.core.actors.intake import COMMITTING, Intake
from kith.core.actors.outlet import Outlet
from kith.core.actors.sm import Unacknowledged
from kith.core.log import log
from kith.core.log.envelope import Envelope
from kith.core.log.log import Log
from kith.core.node import Node
from kith.core.peers.arrivals import Arrival, Peer
from kith.core.peers.notices import Notices
from kith.core.peers.outbox import Outbox
from kith.core.peers.ownership import Ownership
from kith.core.peers.peers import PeerNodes
from kith.core.peers.requests import Message, Messages, Probe, Result, encode
from kith.core.routing.post import Post
from kith.core.routing.presence import Presence
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.handover import Handover
from kith.features import blocking
from kith.features.carbons import Carbons
from kith.features.pubsub.cache import NodeCache
from kith.features.pubsub.pep import Pep
from kith.ports.placement import Placement
from tests.simulation.clock import EPOCH
from tests.simulation.cluster import SimulatedPlacement

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Fault:
    """``plant`` changes the product. ``nodes``: how many it takes for the fault to show.

    ``found_by``: a schedule that shows it, which looking for one has found and made shorter (``found.txt``).
    ``rare``: it takes so much to come together that it is not looked for anew.
    """

    breaks: str
    plant: Callable[[Patch], None]
    nodes: int = 1
    rare: bool = False

    @property
    def name(self) -> str:
        return self.plant.__name__.removeprefix("_")

    @property
    def found_by(self) -> str:
        return _found().get(self.name, "")


@functools.cache
def _found() -> dict[str, str]:
    lines = Path(__file__).with_name("found.txt").read_text().splitlines()
    return dict(line.split("\t") for line in lines)


def _acknowledged_before_the_commit(patch: Patch) -> None:
    """A message counts as handled when it is queued."""
    handle = Session.handle
    patch.setattr(
        Session, "handle", lambda self, stanza: None if (w := handle(self, stanza)) is COMMITTING else w
    )
    patch.setattr(Intake, "pipelined", lambda self: None)
    patch.setattr(Intake, "committed", lambda self: None)


def _delivered_before_the_commit(patch: Patch) -> None:
    put = Log.put

    def put_and_deliver(self: Log, envelope: Envelope, owners: Any, origin: bytes | None) -> None:
        put(self, envelope, owners, origin)
        assert envelope.after is not None
        envelope.after.deliver(envelope)

    def committed(self: Envelope, existing: int | None, error: BaseException | None) -> None:
        assert self.sender is not None
        self.sender.committed()

    patch.setattr(Log, "put", put_and_deliver)
    patch.setattr(Envelope, "committed", committed)


def _refusals_are_not_told(patch: Patch) -> None:
    """Who has sent what the disk refuses believes that it is stored."""
    patch.setattr(Post, "unstored", lambda self, envelope, error: None)


def _retries_are_not_known(patch: Patch) -> None:
    patch.setattr(log, "origin_of", lambda stanza: None)


def _the_mark_passes_what_is_under_way(patch: Patch) -> None:
    patch.setattr(Delivery, "handed", lambda self, id: None)


def _what_is_given_up_is_forgotten(patch: Patch) -> None:
    patch.setattr(Delivery, "given_up", lambda self, id: self.under_way.pop(id, None))


def _ids_are_not_in_the_order_of_commits(patch: Patch) -> None:
    """As with a sequence from which two writers draw: a reader passes an id that is still to come."""
    following = Ids.next
    kept: dict[object, list[int]] = {}

    def swapped(self: Ids, *slots: int) -> int:
        waiting = kept.setdefault((self, slots), [])
        if not waiting:
            waiting += (following(self, *slots), following(self, *slots))
        return waiting.pop()

    patch.setattr(Ids, "next", swapped)


def _what_comes_during_a_replay_is_dropped(patch: Patch) -> None:
    def release(self: Outlet, after: int = 0) -> None:
        self.holding = None

    patch.setattr(Outlet, "release", release)


def _an_acknowledgement_counts_for_one_more(patch: Patch) -> None:
    receive = Unacknowledged.receive

    def one_more(self: Unacknowledged, h: str) -> list[int]:
        ids = receive(self, h)
        if self.queue and self.queue[0][1]:
            data, id = self.queue.popleft()
            self.size -= len(data)
            self.acknowledged += 1
            ids.append(id)
        return ids

    patch.setattr(Unacknowledged, "receive", one_more)


def _a_block_is_answered_before_it_is_durable(patch: Patch) -> None:
    class Hasty:
        """In place of asyncio: nobody waits for what is gathered."""

        @staticmethod
        async def gather(*works: Coroutine[Any, Any, Any]) -> None:
            for work in works:
                asyncio.get_running_loop().create_task(work)

    patch.setattr(blocking, "asyncio", Hasty)


def _blocking_stops_no_messages(patch: Patch) -> None:
    stanza_in = blocking.Blocking.stanza_in

    def only_presence(self: Any, sender: Any, to: Any, stanza: Any) -> bool:
        return True if stanza.kind == "message" else stanza_in(self, sender, to, stanza)

    patch.setattr(blocking.Blocking, "stanza_in", only_presence)


def _blocking_stops_messages_only(patch: Patch) -> None:
    stanza_in = blocking.Blocking.stanza_in

    def only_messages(self: Any, sender: Any, to: Any, stanza: Any) -> bool:
        return stanza_in(self, sender, to, stanza) if stanza.kind == "message" else True

    patch.setattr(blocking.Blocking, "stanza_in", only_messages)


def _who_is_blocked_still_sees_who_blocks(patch: Patch) -> None:
    """What the server sends for the one who blocks goes to everybody."""
    stanza_in = blocking.Blocking.stanza_in

    def not_outwards(self: Any, sender: Any, to: Any, stanza: Any) -> bool:
        account = self._accounts.get(to.bare)
        mine = self._accounts.get(sender.bare)
        if mine is not None and self.blocks(mine, to) and not (account and self.blocks(account, sender)):
            return True
        return stanza_in(self, sender, to, stanza)

    patch.setattr(blocking.Blocking, "stanza_in", not_outwards)


def _who_is_blocked_elsewhere_sees_who_blocks(patch: Patch) -> None:
    """As the fault before, but only what goes to another node."""
    route = Post.route

    def careless(self: Post, stanza: Any, sender: Any, to: Any) -> None:
        if self._accounts.get(to.bare) is None and not self.is_local(to):
            self.to_host(stanza, sender, to)
        else:
            route(self, stanza, sender, to)

    patch.setattr(Post, "route", careless)


def _roster_pushes_do_not_go_out(patch: Patch) -> None:
    patch.setattr(Subscriptions, "push", lambda self, account, roster, item: None)


def _who_comes_back_stays_away(patch: Patch) -> None:
    """A session that was away for a while, and is resumed, is still unavailable to others."""
    patch.setattr(Presence, "show_online", lambda self, session: None)


def _a_restart_forgets_who_is_away(patch: Patch) -> None:
    encode = Handover._encode

    def forgetful(self: Handover, session: Session, until: float) -> dict[str, Any]:
        kept = encode(self, session, until)
        del kept["absent"]
        return kept

    patch.setattr(Handover, "_encode", forgetful)


def _copies_go_to_who_is_available_only(patch: Patch) -> None:
    """A device that has read the archive and is about to be available misses what another one sends."""
    copy = Carbons._copy

    def available(self: Carbons, direction: str, envelope: Any, account: Any, without: Any) -> None:
        away = [session for session in account.sessions.values() if session.presence is None]
        copy(self, direction, envelope, account, [*without, *away])

    patch.setattr(Carbons, "_copy", available)


# -- of many nodes ----------------------------------------------------------------------------------------


def _two_owners_at_once(patch: Patch) -> None:
    """A node that has lost a slot goes on with its accounts as if they were its own."""

    class Stubborn:
        """In place of a placement: what was owned once is owned for ever."""

        def __init__(self, placement: Placement) -> None:
            self._placement = placement
            self._owned: set[str] = set()
            self.slot = placement.slot
            self.run = placement.run

        def owns(self, key: str) -> bool:
            if self._placement.owns(key):
                self._owned.add(key)
            return key in self._owned

    init: Callable[..., None] = Node.__init__

    def stubborn(self: Any, *arguments: Any) -> None:
        init(self, *(Stubborn(one) if isinstance(one, SimulatedPlacement) else one for one in arguments))

    patch.setattr(Node, "__init__", stubborn)
    patch.setattr(Ownership, "lost", lambda self, slot: None)


def _what_got_no_answer_leaves_the_outbox(patch: Patch) -> None:
    answered = Outbox._answered

    def hopeful(self: Outbox, channel: Any, batch: Any, answer: bytes | None, error: Any) -> None:
        answered(self, channel, batch, encode(Result([], len(batch))) if answer is None else answer, None)

    patch.setattr(Outbox, "_answered", hopeful)


def _a_request_is_answered_before_the_commit(patch: Patch) -> None:
    request = Arrival.request

    def hasty(self: Arrival, messages: Any, reply: Any) -> None:
        request(self, messages, lambda answer: None)
        reply(encode(Result([], len(messages))))

    patch.setattr(Arrival, "request", hasty)


def _a_new_owner_begins_with_a_mark_of_its_own(patch: Patch) -> None:
    """It takes for delivered what the owner before it has not delivered."""
    init = Delivery.__init__

    def newest(self: Delivery, account: int, mark: int) -> None:
        init(self, account, mark)
        self._top = self._mark = max(mark, int(EPOCH * 1000 + 30_000) << 20)

    patch.setattr(Delivery, "__init__", newest)


def _a_new_owner_does_not_go_on_after_the_last_id(patch: Patch) -> None:
    """Its clock may be behind that of the owner before it: a reader passes what comes then."""
    patch.setattr(Ids, "gained", lambda self, slot, last: None)


def _keys_of_repetitions_differ(patch: Patch) -> None:
    """A request that is repeated since its answer got lost is taken for a new one."""
    patch.setattr(Peer, "key", property(lambda self: None))
    patch.setattr(log, "origin_of", lambda stanza: None)


def _what_comes_later_overtakes_the_outbox(patch: Patch) -> None:
    """A recipient whose slot has come to the sender's node gets new messages before those on their way."""
    patch.setattr(PeerNodes, "has_earlier", lambda self, sender, to: False)


def _requests_do_not_wait_for_each_other(patch: Patch) -> None:
    depart = Outbox._send_next

    def eager(self: Outbox, channel: Any) -> None:
        if channel.queue and self._is_current(channel):
            one = channel.queue[-1]
            data = encode(Messages([Message(one.key, one.stanza)]))
            self._bus.ask(self._placement.slot(channel.to), data, lambda answer, error: None)
        depart(self, channel)

    patch.setattr(Outbox, "_send_next", eager)


def _messages_come_in_after_sessions_were_saved(patch: Patch) -> None:
    """A node that stops goes on taking what others send."""

    async def open(self: PeerNodes) -> None:
        pass

    patch.setattr(PeerNodes, "close", open)


def _lost_notices_are_not_missed(patch: Patch) -> None:
    """Nobody asks whether what was sent has arrived."""
    patch.setattr(Notices, "_check", lambda self, slot, remote, number: None)


def _a_new_owner_is_not_noticed(patch: Patch) -> None:
    """It is announced, but that may get lost; and whoever has lost a slot looks no further."""
    patch.setattr(Notices, "announce", lambda self, slots: None)
    checked = Notices._checked

    def trusting(self: Notices, slot: int, remote: Any, number: int, answer: Any, error: Any) -> None:
        if answer is not None:
            remote.owner = self._name(answer)
        checked(self, slot, remote, number, answer, error)

    patch.setattr(Notices, "_checked", trusting)


def _what_was_seen_is_not_taken_back(patch: Patch) -> None:
    """Who probes again sees who is there, and still who is gone."""
    take_probe = Notices.take_probe
    patch.setattr(
        Notices,
        "take_probe",
        lambda self, probe, reply: take_probe(self, Probe(probe.stanza, False), reply),
    )


def _a_node_remembers_what_others_have_changed(patch: Patch) -> None:
    """What it has read of a slot's accounts is still there when it owns the slot again."""
    patch.setattr(NodeCache, "clear", lambda self: None)


def _missed_events_do_not_come_again(patch: Patch) -> None:
    patch.setattr(Pep, "events_missed", lambda self, account, client: None)


FAULTS = (
    Fault(
        "acknowledged, and not in",
        _acknowledged_before_the_commit,
    ),
    Fault(
        "and the archive has None",
        _delivered_before_the_commit,
    ),
    Fault(
        "acknowledged, and not in",
        _refusals_are_not_told,
    ),
    Fault(
        "2 times in",
        _retries_are_not_known,
    ),
    Fault(
        "on no device of",
        _the_mark_passes_what_is_under_way,
    ),
    Fault(
        "on no device of",
        _what_is_given_up_is_forgotten,
    ),
    Fault(
        "in the archive, and not on",
        _ids_are_not_in_the_order_of_commits,
    ),
    Fault(
        "in the archive, and not on",
        _what_comes_during_a_replay_is_dropped,
    ),
    Fault(
        "in the archive, and not on",
        _an_acknowledgement_counts_for_one_more,
    ),
    Fault(
        "blocked",
        _a_block_is_answered_before_it_is_durable,
    ),
    Fault(
        "had blocked",
        _blocking_stops_no_messages,
    ),
    Fault(
        "had blocked",
        _blocking_stops_messages_only,
    ),
    Fault(
        "had blocked",
        _who_is_blocked_still_sees_who_blocks,
    ),
    Fault(
        "had blocked",
        _who_is_blocked_elsewhere_sees_who_blocks,
        nodes=3,
    ),
    Fault(
        "lasts",
        _roster_pushes_do_not_go_out,
    ),
    Fault(
        "sees",
        _who_comes_back_stays_away,
    ),
    Fault(
        "sees",
        _a_restart_forgets_who_is_away,
    ),
    Fault(
        "in the archive, and not on",
        _copies_go_to_who_is_available_only,
    ),
    Fault(
        "",
        _two_owners_at_once,
        nodes=3,
    ),
    Fault(
        "acknowledged, and not in",
        _what_got_no_answer_leaves_the_outbox,
        nodes=3,
    ),
    Fault(
        "acknowledged, and not in",
        _a_request_is_answered_before_the_commit,
        nodes=3,
    ),
    Fault(
        "on no device of",
        _a_new_owner_begins_with_a_mark_of_its_own,
        nodes=3,
    ),
    Fault(
        "in the archive, and not on",
        _a_new_owner_does_not_go_on_after_the_last_id,
        nodes=3,
    ),
    Fault(
        "2 times in",
        _keys_of_repetitions_differ,
        nodes=3,
    ),
    Fault(
        "out of order in",
        _what_comes_later_overtakes_the_outbox,
        nodes=3,
    ),
    Fault(
        "out of order in",
        _requests_do_not_wait_for_each_other,
        nodes=3,
    ),
    Fault(
        "in the archive, and not on",
        _messages_come_in_after_sessions_were_saved,
        nodes=3,
        rare=True,
    ),
    Fault(
        "sees",
        _lost_notices_are_not_missed,
        nodes=3,
    ),
    Fault(
        "sees",
        _a_new_owner_is_not_noticed,
        nodes=3,
    ),
    Fault(
        "sees",
        _what_was_seen_is_not_taken_back,
        nodes=3,
    ),
    Fault(
        "shows that",
        _a_node_remembers_what_others_have_changed,
        nodes=3,
    ),
    Fault(
        "shows that",
        _missed_events_do_not_come_again,
        nodes=3,
    ),
)
