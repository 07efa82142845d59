"""A bad network: a UDP proxy that loses, delays and throttles datagrams, and can be cut.

async with BadNetwork(port, loss=0.05, delay=0.15) as network:
    ... use network.port in place of port ...
    network.cut = True
"""

from __future__ import annotations

import asyncio
import random
from types import TracebackType
from typing import Any, cast

#: Seconds of traffic that a throttled line queues; what comes beyond is lost.
QUEUE = 0.5


class _Line:
    """One direction of one flow. ``free``: when what is queued has been sent."""

    def __init__(self, network: BadNetwork) -> None:
        self._network = network
        self._free = 0.0

    def send(self, transport: asyncio.DatagramTransport | None, data: bytes, to: Any = None) -> None:
        network, loop = self._network, asyncio.get_running_loop()
        network.seen += 1
        if transport is None or network.cut or network.random.random() < network.loss:
            network.lost += 1
            return
        at = loop.time()
        if network.rate:
            self._free = max(self._free, at) + len(data) * 8 / network.rate
            if self._free - at > QUEUE:
                self._free -= len(data) * 8 / network.rate
                network.lost += 1
                return
            at = self._free
        at += network.delay + network.random.random() * network.jitter
        loop.call_at(at, self._deliver, transport, data, to)

    def _deliver(self, transport: asyncio.DatagramTransport, data: bytes, to: Any) -> None:
        if not transport.is_closing() and not self._network.cut:
            transport.sendto(data, to)


class _Flow(asyncio.DatagramProtocol):
    """The datagrams of one client, which the target sees coming from a port of their own."""

    def __init__(self, network: BadNetwork, client: Any) -> None:
        self.up, self.down = _Line(network), _Line(network)
        self._network, self._client = network, client
        self.transport: asyncio.DatagramTransport | None = None
        self.waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        for data in self.waiting:
            self.up.send(self.transport, data)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.down.send(self._network.transport, data, self._client)


class BadNetwork(asyncio.DatagramProtocol):
    """A proxy at ``port`` of 127.0.0.1 before ``target``, each direction like this:

    ``loss``: the part that is lost, 0 to 1. ``delay`` and ``jitter``: in seconds, the latter at random.
    ``rate``: bits per second for each client, 0 for no limit. ``cut``: nothing passes. All may be changed at
    any time. ``seen`` and ``lost`` count datagrams.
    """

    def __init__(
        self,
        target: int,
        loss: float = 0,
        delay: float = 0,
        jitter: float = 0,
        rate: float = 0,
        port: int = 0,
        seed: int = 1,
    ) -> None:
        self.target, self.loss, self.delay, self.jitter, self.rate = target, loss, delay, jitter, rate
        self.cut = False
        self.seen = self.lost = 0
        self.random = random.Random(seed)
        self.port = port
        self.transport: asyncio.DatagramTransport | None = None
        self._flows: dict[Any, _Flow] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> BadNetwork:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.transport is not None
        self.transport.close()
        for flow in self._flows.values():
            if flow.transport is not None:
                flow.transport.close()

    def change_addresses(self) -> None:
        """From now on, all clients come from other ports, as after a change of network."""
        for flow in self._flows.values():
            if flow.transport is not None:
                flow.transport.close()
        self._flows.clear()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        flow = self._flows.get(addr)
        if flow is None:
            flow = self._flows[addr] = made = _Flow(self, addr)
            loop = asyncio.get_running_loop()
            opening = loop.create_datagram_endpoint(lambda: made, remote_addr=("127.0.0.1", self.target))
            self._tasks.add(loop.create_task(opening))
        if flow.transport is None:
            flow.waiting.append(data)
        else:
            flow.up.send(flow.transport, data)
