"""When a device was there the last time: written when its session ends, and each hour while it lasts."""

from __future__ import annotations

import asyncio
import time

from kith.core.devices import Device
from kith.core.domain import Domain
from kith.core.feature import Feature
from kith.core.session import Session

_EVERY = 3600.0


class DeviceActivity(Feature):
    """A login itself is noted by the login."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._left: set[tuple[int, str]] = set()

    async def start(self) -> None:
        self.domain.spawn(self._each_hour())

    async def stop(self) -> None:
        await self._write()

    async def _each_hour(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            for account in self.domain.directory.all():
                for session in account.sessions.values():
                    if session.device and session.sink is not None:
                        self._left.add((account.id, session.device))
            await self._write()

    def session_closed(self, session: Session) -> None:
        if not session.device:
            return
        if not self._left:
            self.domain.spawn(self._write())
        self._left.add((session.account.id, session.device))

    async def _write(self) -> None:
        left, self._left = self._left, set()
        for account, id in left:
            await self.domain.devices.change(account, id, _seen)


def _seen(device: Device) -> None:
    device.used = time.time()
