"""When a device, or an app with a password of its own, was there the last time.

It is written when a session ends, and each hour while it lasts.
"""

from __future__ import annotations

from kith.base import clock
from kith.core.actors.account import Session
from kith.core.hooks.feature import NodeFeature
from kith.core.node import Node
from kith.records.devices import Device

_EVERY = 3600.0


class DeviceActivity(NodeFeature):
    """A login itself is noted by the login."""

    def __init__(self, domain: Node) -> None:
        super().__init__(domain)
        self._left: set[tuple[int, str, str]] = set()

    async def start(self) -> None:
        self.domain.tasks.repeat(self._look, _EVERY)

    async def stop(self) -> None:
        await self._write()

    async def _look(self) -> None:
        """Who is connected now was there."""
        for account in self.domain.accounts.all():
            for session in account.sessions.values():
                if session.sink is not None:
                    self._note(session)
        await self._write()

    def session_closed(self, session: Session) -> None:
        if not self._left:
            self.domain.tasks.spawn(self._write())
        self._note(session)

    def _note(self, session: Session) -> None:
        self._left.add((session.account.id, session.device, session.credential))

    async def _write(self) -> None:
        left, self._left = self._left, set()
        for account, device, credential in left:
            if device:
                await self.domain.devices.change(account, device, _seen)
            if credential:
                await self.domain.passwords.apps.change(account, credential, used=True)


def _seen(device: Device) -> None:
    device.used = clock.now()
