"""What a running server does once a second, an hour or a day, beside what its parts do by themselves."""

from __future__ import annotations

import asyncio

from kith.core.log.retention import expire
from kith.core.node import Node
from kith.edge.edge import Edge
from kith.edge.memory import Memory
from kith.renewal import Renewal


class Housekeeping:
    """Gives memory back, drops connections that do not log in, renews the certificate, deletes old logs."""

    def __init__(self, node: Node, edge: Edge, renewal: Renewal, memory: Memory) -> None:
        self._node = node
        self._edge = edge
        self._renewal = renewal
        self._memory = memory
        self._last_failure: type[Exception] | None = None

    async def run(self) -> None:
        """Works until it is cancelled."""
        seconds = 0
        while True:
            await asyncio.sleep(1)
            seconds += 1
            try:
                await self._memory.give_back(self._edge.connection_limit.ended, self._node.clock.steady())
                self._each_second(seconds)
            except Exception as error:
                if type(error) is not self._last_failure:  # log it once, not each second
                    self._last_failure = type(error)
                    self._node.tasks.failed("periodic work failed", error)

    def _each_second(self, seconds: int) -> None:
        self._edge.lobby.sweep()
        if seconds % 10 == 0:
            self._renewal.reload_certificate()
        if seconds % 86400 == 0:
            self._renewal.look_at_certificate()
        if seconds % 3600 == 60:
            node = self._node
            node.tasks.spawn(expire(node.store, node.clock, self._edge.config.retention_days))
