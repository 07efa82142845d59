"""Which node owns what, and how the nodes talk to each other.

Ownership is a lock that the shared disk keeps: a write for a slot whose lock another node has is refused. A
node learns of what it has gained or lost later than the lock moves, and one that is frozen learns it when it
wakes. The bus does to requests and notices what `kith.ports.bus` allows.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from kith.base.slots import slot_of
from kith.ports.bus import Accept, BusError, Done, Link, Lost, NoOwner, OnFrame, OnLost, Take
from tests.simulation.clock import Loop
from tests.simulation.network import delay

if TYPE_CHECKING:
    from tests.simulation.node import SimulatedNode

#: How long an answer is waited for, in seconds.
PATIENCE = 2.0
#: How likely it is, while there is noise, that something is lost, comes twice, or comes much later.
NOISE = 0.25


class Cluster:
    """``names``: whose slots there are; the others have no owner. ``noisy``: the bus is at its worst.

    ``apart``: names of the nodes that the others can't reach.
    """

    def __init__(self, home: Loop, rng: random.Random, names: list[str]) -> None:
        self.home = home
        self.rng = rng
        self.slots = sorted({slot_of(name) for name in names})
        self.nodes: list[SimulatedNode] = []
        self.locks: dict[int, SimulatedNode | None] = dict.fromkeys(self.slots)
        self.noisy = False
        self.troubled = 0.0  # when slots have moved, or anything on the bus was lost, the last time
        self.apart: set[str] = set()

    def owner(self, name: str) -> SimulatedNode | None:
        return self.locks.get(slot_of(name))

    def start(self) -> None:
        """Looks after the locks from now on."""
        self.home.call_later(0.01, self._look)

    def _look(self) -> None:
        """Slots of nodes that are dead or do not answer go to others."""
        for slot, owner in self.locks.items():
            if owner is None or owner.loop is None or owner.is_frozen:  # one that stops has its locks still
                others = [node for node in self.nodes if node.up and not node.is_frozen]
                if others:
                    self.give(slot, self.rng.choice(others))
        self.home.call_later(0.1 + 0.9 * self.rng.random(), self._look)

    def give(self, slot: int, node: SimulatedNode) -> None:
        """Another node has the lock from now on."""
        before = self.locks[slot]
        if before is node or not node.up:
            return
        self.locks[slot] = node
        self.trouble()
        if before is not None:
            self._placement(before).revoke(slot)
        self._placement(node).grant(slot)

    @staticmethod
    def _placement(node: SimulatedNode) -> SimulatedPlacement:
        assert isinstance(node.placement, SimulatedPlacement)
        return node.placement

    def trouble(self) -> None:
        """Presence may be wrong now, and takes its time to be right again."""
        self.troubled = self.home.time()

    def release(self, node: SimulatedNode) -> None:
        """A node is dead: so is its connection to the disk."""
        for slot, owner in self.locks.items():
            if owner is node:
                self.locks[slot] = None

    def calm(self) -> None:
        """The bus is at its best again."""
        self.noisy = False

    def reach(self, one: str, other: str) -> bool:
        """Whether what one node sends arrives at the other, as far as the network is concerned."""
        return one == other or not self.apart & {one, other}


class SimulatedPlacement:
    """What one life of a node believes to own."""

    def __init__(self, cluster: Cluster, node: SimulatedNode) -> None:
        self._cluster = cluster
        self._node = node
        self._owned: set[int] = set()
        self._news: deque[tuple[int, bool]] = deque()
        self._wake: asyncio.Event | None = None

    def slot(self, key: str) -> int:
        return slot_of(key)

    def owns(self, key: str) -> bool:
        return slot_of(key) in self._owned

    async def run(self, gained: Callable[[int], Awaitable[None]], lost: Callable[[int], None]) -> None:
        wake = self._wake = asyncio.Event()
        while True:
            while self._news:
                slot, mine = self._news.popleft()
                if mine and slot not in self._owned:
                    await gained(slot)
                    self._owned.add(slot)
                elif not mine and slot in self._owned:
                    self._owned.discard(slot)
                    lost(slot)
            wake.clear()
            await wake.wait()

    def grant(self, slot: int) -> None:
        self._tell(slot, True)

    def revoke(self, slot: int) -> None:
        self._tell(slot, False)

    def _tell(self, slot: int, mine: bool) -> None:
        """The node learns it a moment later, or when it wakes."""
        if self._node.loop is None:
            return
        self._news.append((slot, mine))
        self._node.loop.call_later(0.2 * self._cluster.rng.random(), self._woken)

    def _woken(self) -> None:
        if self._wake is not None:
            self._wake.set()


class SimulatedBus:
    """One life of a node on the bus."""

    def __init__(self, cluster: Cluster, node: SimulatedNode) -> None:
        self._cluster = cluster
        self._node = node
        self.takes: dict[int, Take] = {}
        self._told: dict[tuple[str, int], float] = {}  # when the last notice arrives

    # -- what the port says ---------------------------------------------------------------------------

    def serve(self, slot: int, take: Take) -> None:
        if slot in self.takes:
            raise ValueError(f"slot {slot} is served already")
        self.takes[slot] = take

    def stop(self, slot: int) -> None:
        self.takes.pop(slot, None)

    def ask(self, slot: int, request: bytes, done: Done) -> None:
        loop = self._node.loop
        if loop is None:
            return
        question = _Question(self, done, loop)
        target = self._who(slot)
        if target is None:
            self.lost()
            loop.call_later(self._delay(), question.answered, None, NoOwner())
            return
        loop.call_later(PATIENCE, question.answered, None, Lost())
        for _ in range(self._copies()):
            if self._cluster.reach(self._node.name, target.name) and target.loop is not None:
                target.loop.call_later(self._delay(), _take, target, target.bus, slot, request, question)

    def tell(self, slot: int, notice: bytes) -> None:
        if slot not in self._cluster.locks:
            return
        target = self._who(slot)
        if target is None or target.loop is None:
            self.lost()
            return
        noise = self._cluster.noisy and self._cluster.rng.random() < NOISE
        if noise or not self._cluster.reach(self._node.name, target.name):
            self.lost()
            return
        key = target.name, slot
        arrives = max(self._told.get(key, 0.0) + 1e-6, target.loop.time() + self._delay())
        self._told[key] = arrives
        target.loop.call_at(arrives, _notice, self._cluster, target, target.bus, slot, notice)

    def link(self, node: str, on_frame: OnFrame, on_lost: OnLost) -> Link:
        raise NotImplementedError

    def accept(self, accept: Accept) -> None:
        raise NotImplementedError

    # -- how it goes ----------------------------------------------------------------------------------

    def _who(self, slot: int) -> SimulatedNode | None:
        """One of those that serve the slot: mostly the owner, but who has lost it may not know yet."""
        serving = [node for node in self._cluster.nodes if node.bus is not None and slot in node.bus.takes]
        owner = self._cluster.locks.get(slot)
        if owner in serving and self._cluster.rng.random() < 0.8:
            return owner
        return self._cluster.rng.choice(serving) if serving else None

    def _copies(self) -> int:
        chance = self._cluster.rng.random() if self._cluster.noisy else 1.0
        return 0 if chance < NOISE else 2 if chance < 2 * NOISE else 1

    def _delay(self) -> float:
        rng = self._cluster.rng
        if self._cluster.noisy and rng.random() < NOISE:
            return rng.random() * 2 * PATIENCE
        return delay(rng)

    def lost(self) -> None:
        """Something that was sent from here had no effect, as far as is known here."""
        self._cluster.trouble()

    def reply(self, question: _Question, answer: bytes, sender: SimulatedNode) -> None:
        """An answer comes back, if it does."""
        if self._copies() and self._cluster.reach(sender.name, self._node.name):
            question.loop.call_later(self._delay(), question.answered, answer, None)


class _Question:
    """A request that waits for its answer: the first one counts."""

    __slots__ = ("bus", "done", "loop")

    def __init__(self, bus: SimulatedBus, done: Done, loop: Loop) -> None:
        self.bus = bus
        self.done: Done | None = done
        self.loop = loop

    def answered(self, answer: bytes | None, error: BusError | None) -> None:
        done, self.done = self.done, None
        if done is not None and error is not None:
            self.bus.lost()
        if done is not None:
            done(answer, error)


def _take(
    node: SimulatedNode, bus: SimulatedBus | None, slot: int, request: bytes, question: _Question
) -> None:
    """A request arrives. One for a slot that nobody serves here any more is lost."""
    take = bus.takes.get(slot) if bus is not None else None
    if take is None or bus is not node.bus:
        return
    answers: list[bytes] = []

    def reply(answer: bytes) -> None:
        if not answers and bus is node.bus:
            answers.append(answer)
            question.bus.reply(question, answer, node)

    take(request, reply)


def _notice(
    cluster: Cluster, node: SimulatedNode, bus: SimulatedBus | None, slot: int, notice: bytes
) -> None:
    """A notice arrives; at a node that has lost the slot, it is as good as lost."""
    take = bus.takes.get(slot) if bus is not None else None
    if take is None or cluster.locks.get(slot) is not node:
        cluster.trouble()
    if take is not None:
        take(notice, lambda answer: None)
