"""One node: the product's own parts, on a simulated store, network and bus."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, cast
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.bus.local import LocalPlacement
from kith.config import Config
from kith.core.login.stream import Stream
from kith.core.node import Node
from kith.core.sessions.handover import Handover
from kith.edge.edge import Edge
from kith.edge.tcp import TCPConnection
from kith.edge.tls import Certificates
from kith.features import ALL
from kith.features.caps import Caps
from kith.ports.store import Keys, Unavailable
from kith.records.passwords import Passwords
from kith.wire.limits import Limits
from kith.wire.pool import ParserPool
from tests.simulation.clock import EPOCH, Loop, Time
from tests.simulation.cluster import Cluster, SimulatedBus, SimulatedPlacement
from tests.simulation.disk import Disk
from tests.simulation.network import Line
from tests.simulation.store import SimulatedStore

DOMAIN = "sim"
CONFIG = Config(
    domain=DOMAIN,
    allow_plaintext=True,
    resume_timeout=10,
    ping_after=0,
    strangers_per_hour=0,
    connections_per_address=0,
)
KEYS = {"SHA-256": Keys(b"salt", b"pw", b"pw", 1)}


def _check(keys: dict[str, Keys], password: str) -> bool:
    """No key derivation: it is slow on purpose."""
    return any(password.encode() == key.stored_key for key in keys.values())


def _make(password: str, salts: object) -> dict[str, Keys]:
    return {name: Keys(b"salt", password.encode(), b"", 1) for name in KEYS}


class Common:
    """Computes once what is the same for all nodes of a process, and takes long: the server's own hash."""

    _own: ClassVar[Sequence[Element] | None] = None

    def __enter__(self) -> None:
        kept = self._kept = Caps.stream_features

        def stream_features(caps: Caps) -> Sequence[Element]:
            if Common._own is None:
                Common._own = kept(caps)
            return Common._own

        Caps.stream_features = stream_features

    def __exit__(self, *_: object) -> None:
        Caps.stream_features = self._kept


class SimulatedNode:
    """A node that can be started, stopped, killed and frozen. It is ``up`` while it takes connections."""

    def __init__(self, time: Time, home: Loop, disk: Disk, rng: random.Random, name: str) -> None:
        """``home``: a loop that outlives the node."""
        self.time = time
        self.home = home
        self.disk = disk
        self.rng = rng
        self.name = name
        self.loop: Loop | None = None
        self.node: Node | None = None
        self.store: SimulatedStore | None = None
        self.edge: Edge | None = None
        self.up = False
        self.lines: list[Line] = []
        self.connections: list[TCPConnection] = []  # the other ends of them
        self.failures: list[str] = []  # what the loops of its lives have complained of
        self.cluster: Cluster | None = None  # None: it is alone
        self.placement: SimulatedPlacement | LocalPlacement = LocalPlacement()
        self.bus: SimulatedBus | None = None
        self.skew = 0.0  # how far its time of day is ahead, in seconds
        self._pool = ParserPool(Limits(stanza_bytes=CONFIG.stanza_bytes))

    def start(self) -> None:
        """Begins to start, if it is down."""
        if self.loop is not None:
            return
        loop = self.loop = self.time.loop(self.name)
        cluster = self.cluster
        store = self.store = SimulatedStore(self.disk, self.rng, self._has_lock if cluster else None)
        if cluster is not None:
            self.placement, self.bus = SimulatedPlacement(cluster, self), SimulatedBus(cluster, self)
        loop.call_soon(lambda: loop.create_task(self._start(loop, store)))

    @property
    def is_frozen(self) -> bool:
        return self.loop is not None and self.loop.frozen

    def _has_lock(self, account: int) -> bool:
        """Whether the disk takes this node's writes for an account."""
        found = self.disk.by_id.get(account)
        return self.cluster is None or found is None or self.cluster.owner(found.jid) is self

    def _time_of_day(self) -> float:
        return EPOCH + self.time.now + self.skew

    async def _start(self, loop: Loop, store: SimulatedStore) -> None:
        passwords = partial(Passwords, _check, _make)
        clock = Clock(self._time_of_day, self.time.steady, self.time.steady)
        randomness = Randomness(self.rng)
        node = self.node = Node(
            CONFIG, store, ALL, passwords, Secret(b"secret" * 6), self.placement, clock, randomness, self.bus
        )
        try:
            await node.start()
        except Unavailable:  # the server says so and ends; whoever looks after it starts it again
            self.home.call_soon(self.kill)
            self._later(1.0, self.start)
            return
        stream = partial(Stream, node.entrance)
        certificates = cast(Certificates, None)  # nobody asks for TLS
        self.edge = Edge(CONFIG, node.domain, node.tasks, stream, self._pool, certificates)
        node.tasks.spawn(self.edge.watch())
        self.up = True

    def take(self, line: Line) -> bool:
        """A client connects. False if nobody listens."""
        edge, loop = self.edge, self.loop
        if not self.up or edge is None or loop is None:
            return False
        self.lines = [other for other in self.lines if not other.client_gone]
        self.lines.append(line)
        line.far = loop
        loop.call_soon(self._connected, line, edge)
        return True

    def _connected(self, line: Line, edge: Edge) -> None:
        connection = TCPConnection(edge, partial(edge.stream, starttls=False))
        self.connections = [other for other in self.connections if other.asked >= 0]
        self.connections.append(connection)
        line.connected(connection)

    def kill(self) -> None:
        """As with SIGKILL, or as if the power were cut."""
        if self.loop is None:
            return
        self.up = False
        if self.store is not None:
            self.store.kill()
        self.failures += self.loop.failures
        lines, self.lines = self.lines, []
        for line in lines:
            line.node_killed()
        self.time.end(self.loop)
        self.loop = self.node = self.store = self.edge = self.bus = None
        if self.cluster is not None:
            self.cluster.release(self)
        self.connections = []

    def stop(self, seconds: float) -> None:
        """Begins to stop, as a server does that is told to (`kith.server`). It starts so much after that."""
        if self.up and self.loop is not None:
            self.up = False
            loop = self.loop
            loop.call_soon(lambda: loop.create_task(self._stop(seconds)))

    async def _stop(self, seconds: float) -> None:
        node = self.node
        assert node is not None
        # in the order of their making: the edge has them in sets
        for connection in self.connections:
            connection.listen_no_more()
        await node.get(Handover).wait_until_idle(5.0)
        for connection in self.connections:
            connection.shut_down()
        await node.stop()
        self.home.call_soon(self.kill)
        self._later(seconds, self.start)

    def freeze(self) -> None:
        """It gets no turns, as with SIGSTOP."""
        if self.loop is not None:
            self.loop.frozen = True

    def thaw(self) -> None:
        if self.loop is not None:
            self.loop.frozen = False

    # -- what befalls it ------------------------------------------------------------------------------

    def befall(self, what: str, seconds: float) -> None:
        """Something goes wrong for so many seconds."""
        if what == "kill":
            self.kill()
            self._later(seconds, self.start)
        elif what == "restart":
            self.stop(seconds)
        elif what == "freeze":
            self.freeze()
            self._later(seconds, self.thaw)
        elif what == "full":
            self._set_full(True)
            self._later(seconds, lambda: self._set_full(False))
        elif what == "stall":
            if self.store is not None:
                self.store.frozen = True
            self._later(seconds, self._disk_answers)
        else:
            raise ValueError(f"no event {what}")

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.home.call_later(seconds, call)

    def _set_full(self, full: bool) -> None:
        if self.store is not None:
            self.store.full = full

    def _disk_answers(self) -> None:
        if self.store is not None:
            self.store.thaw()

    def heal(self) -> None:
        """All that was wrong ends."""
        self.thaw()
        self._set_full(False)
        self._disk_answers()
        self.start()
