"""Deletes messages of groups whose time is over (the setting ``expire`` of a group)."""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.core.hooks.feature import Feature
from kith.ports.store import Store

#: How often to look, in seconds. Devices hide messages in time by themselves.
_EVERY = 20.0


class GroupExpiry(Feature):
    """Looks for such messages from time to time."""

    def __init__(self, store: Store, clock: Clock, tasks: Tasks) -> None:
        self._store = store
        self._clock = clock
        self._tasks = tasks

    async def start(self) -> None:
        self._tasks.repeat(self._expire, _EVERY)

    async def _expire(self) -> None:
        await self._store.expire_shared(int(self._clock.now()))
