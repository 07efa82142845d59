"""Presence and events between nodes, which settle although the bus may lose notices.

Notices are numbered, for each slot that they go to. From time to time the slot's owner is asked what number
it has got to. If something is missing, or the slot has another owner than it had, presence is probed again:
by the node whose sessions may have missed something. So nothing has to be kept to be sent again, and what a
probe answers is true, whatever was lost. A probe itself is a request, and a failed one is made up for at the
next check.

Every slot of other nodes that this one has to do with is checked every `PERIOD` seconds; sessions cost
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.slots import SLOTS
from kith.base.tasks import Tasks
from kith.core.hooks.table import Hooks
from kith.core.peers.reprobing import ALL, Reprobing
from kith.core.peers.requests import Check, Moved, Notice, Owner, Probe, encode, owner
from kith.core.routing.post import Post
from kith.ports.bus import Bus, BusError, Reply
from kith.ports.placement import Placement
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

#: Seconds between two checks of a slot, and until the first check after something was sent to it.
PERIOD, SOON = 30.0, 5.0
#: Seconds after which a check is sent: notices that are on their way have arrived by then.
_GRACE = 1.0
#: How many nodes are remembered as senders to a slot.
_NODES = 1000


class _Remote:
    """What is known of a slot of another node.

    ``owner``: names its owner's ownership; empty if nothing was heard of it. ``sent``: how many notices were
    sent to it. ``suspect``: sessions of this node may have missed something of the slot. ``due``: when it is
    checked next, 0 while it is not planned.
    """

    __slots__ = ("due", "failures", "owner", "sent", "suspect")

    def __init__(self, owner: bytes) -> None:
        self.owner = owner
        self.sent = 0
        self.suspect = False
        self.failures = 0
        self.due = 0.0


class Notices:
    """Sends and takes notices and probes, and finds out what was lost.

    ``handle``: handles a stanza from another node; `kith.core.peers.peers.PeerNodes` sets it.
    """

    handle: Callable[[Stanza], None]

    def __init__(
        self,
        placement: Placement,
        bus: Bus,
        post: Post,
        hooks: Hooks,
        reprobing: Reprobing,
        tasks: Tasks,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._placement = placement
        self._bus = bus
        self._post = post
        self._hooks = hooks
        self._reprobing = reprobing
        reprobing.probe = partial(self.probe, again=True)
        self._tasks = tasks
        self._clock = clock
        self._randomness = randomness
        self._node = randomness.bytes(8)
        self._own: dict[int, bytes] = {}  # the slots of this node, each with a name for this ownership
        self._remotes: dict[int, _Remote] = {}
        self._heard: dict[int, OrderedDict[bytes, int]] = {}  # by own slot and node: how many without a gap

    @property
    def slots(self) -> list[int]:
        """The slots of this node."""
        return list(self._own)

    # -- slots ---------------------------------------------------------------------------------------

    def gained(self, slot: int) -> None:
        self._own[slot] = self._randomness.bytes(8)
        self._remotes.pop(slot, None)

    def lost(self, slot: int) -> None:
        """The slot has another owner, who ends the sessions in it, and whose announcement may get lost."""
        before = self._own.pop(slot, b"")
        self._heard.pop(slot, None)
        remote = self._remotes[slot] = _Remote(before)
        self._check_in(slot, remote, SOON)

    def announce(self, slots: Iterable[int]) -> None:
        """Tells all nodes that this one now owns these slots."""
        mine = {slot: self._own[slot] for slot in slots if slot in self._own}
        notice = encode(Moved([(slot, mine[slot]) for slot in sorted(mine)]))
        for slot in range(SLOTS):
            if slot not in self._own:
                self._bus.tell(slot, notice)
        for slot in mine:
            self._reprobing.plan(1 << slot)
            self._reprobing.plan(ALL, slot)  # first probes may have been answered to the owner of before

    def moved(self, moved: Moved) -> None:
        """Takes an announcement, of which there is one for each slot of this node."""
        for slot, name in moved.slots:
            remote = self._remotes.get(slot)
            if remote is not None and remote.owner != name:
                if remote.owner:
                    self._reprobing.plan(1 << slot)
                remote.owner = name
                if remote.suspect:
                    self._check_in(slot, remote, 0.0)

    def _remote(self, slot: int) -> _Remote:
        remote = self._remotes.get(slot)
        if remote is None:
            remote = self._remotes[slot] = _Remote(b"")
            self._check_in(slot, remote, PERIOD)
        return remote

    # -- to other nodes ------------------------------------------------------------------------------

    def tell(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Sends presence or an event to an account of another node."""
        slot = self._placement.slot(to.bare)
        remote = self._remote(slot)
        remote.sent += 1
        name = self._own.get(self._placement.slot(sender.bare), b"")
        self._bus.tell(slot, encode(Notice(self._node, remote.sent, name, stanza.to_bytes())))
        self._check_in(slot, remote, SOON)

    def probe(self, stanza: Stanza, to: JID, again: bool = False) -> None:
        """Sends a probe to the owner of an account. ``again``: the sender may have missed something."""
        slot = self._placement.slot(to.bare)
        remote = self._remote(slot)
        request = encode(Probe(stanza.to_bytes(), again))
        self._bus.ask(slot, request, partial(self._probed, slot, remote))

    def _probed(self, slot: int, remote: _Remote, answer: bytes | None, error: BusError | None) -> None:
        name = self._name(answer)
        if not remote.owner:
            remote.owner = name
        if name != remote.owner or not name:
            self._suspect(slot, remote)

    def _name(self, answer: bytes | None) -> bytes:
        """The name in an answer; empty if there is none."""
        try:
            return owner(answer).name if answer is not None else b""
        except ValueError as problem:
            self._tasks.failed("an answer of another node can't be read", problem)
            return b""

    def _suspect(self, slot: int, remote: _Remote) -> None:
        remote.suspect = True
        self._check_in(slot, remote, SOON)

    # -- checks --------------------------------------------------------------------------------------

    def _check_in(self, slot: int, remote: _Remote, seconds: float) -> None:
        """Plans a check, unless there is an earlier one."""
        due = self._clock.steady() + seconds
        if not remote.due or due < remote.due:
            remote.due = due
            self._tasks.later(seconds, partial(self._begin, slot, remote, due))

    def _begin(self, slot: int, remote: _Remote, due: float) -> None:
        if self._remotes.get(slot) is remote and remote.due == due:
            remote.due = 0.0
            self._tasks.later(_GRACE, partial(self._check, slot, remote, remote.sent))

    def _check(self, slot: int, remote: _Remote, number: int) -> None:
        if self._remotes.get(slot) is remote:
            own = sum(1 << mine for mine in self._own).to_bytes(SLOTS // 8, "big")
            request = encode(Check(self._node, number, own))
            self._bus.ask(slot, request, partial(self._checked, slot, remote, number))

    def _checked(
        self, slot: int, remote: _Remote, number: int, answer: bytes | None, error: BusError | None
    ) -> None:
        if self._remotes.get(slot) is not remote:
            return
        name = self._name(answer)
        if not name:
            self._check_in(slot, remote, min(SOON * 2**remote.failures, PERIOD))
            remote.failures = min(remote.failures + 1, 16)
            return
        if remote.suspect or (remote.owner and name != remote.owner):
            self._reprobing.plan(1 << slot)
        remote.owner, remote.suspect, remote.failures = name, False, 0
        self._check_in(slot, remote, PERIOD if remote.sent == number else SOON)

    # -- from other nodes ----------------------------------------------------------------------------

    def take(self, slot: int, notice: Notice) -> None:
        """Takes presence or an event. While the account is not owned here, it is as if it were lost."""
        stanza = Stanza.from_bytes(notice.stanza)
        source = parse_jid(stanza.attrs["from"])
        if not self._post.is_local(parse_jid(stanza.attrs["to"])):
            return
        heard = self._heard.setdefault(slot, OrderedDict())
        if notice.number == heard.get(notice.node, 0) + 1:
            self._note(heard, notice.node, notice.number)
        if notice.owner:
            if self._post.is_owned(source.bare):
                return  # it comes from a node that has lost the account to this one
            self._heard_of(self._placement.slot(source.bare), notice.owner)
        self.handle(stanza)

    def _note(self, heard: OrderedDict[bytes, int], node: bytes, number: int) -> None:
        heard[node] = number
        heard.move_to_end(node)
        if len(heard) > _NODES:
            heard.popitem(last=False)

    def _heard_of(self, slot: int, name: bytes) -> None:
        """Something came of accounts in a slot, from the owner of this name."""
        remote = self._remote(slot)
        if not remote.owner:
            remote.owner = name
        elif name != remote.owner:
            self._suspect(slot, remote)

    def take_probe(self, probe: Probe, reply: Reply) -> None:
        """Answers a probe. If it is one again, what was seen of the account is taken back first."""
        stanza = Stanza.from_bytes(probe.stanza)
        viewer, to = parse_jid(stanza.attrs["from"]), parse_jid(stanza.attrs["to"])
        name = self._own.get(self._placement.slot(to.bare))
        if name is None or not self._post.is_owned(to.bare):
            return
        reply(encode(Owner(name)))
        if probe.again:
            attrs = {"type": "unavailable", "from": to.bare, "to": str(viewer)}
            self._post.to_host(Stanza.build("presence", attrs), to.to_bare(), viewer)
            self._hooks.events_missed(to.to_bare(), viewer)
        self.handle(stanza)

    def take_check(self, slot: int, check: Check, reply: Reply) -> None:
        """Says who owns the slot. What has not arrived, the sessions in the slot probe for."""
        name = self._own.get(slot)
        if name is None:
            return
        reply(encode(Owner(name)))
        heard = self._heard.setdefault(slot, OrderedDict())
        if heard.get(check.node, 0) < check.number:
            self._note(heard, check.node, check.number)
            self._reprobing.plan(int.from_bytes(check.slots, "big"), slot)
