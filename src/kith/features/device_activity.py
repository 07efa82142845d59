"""Notes when a device, or an app with its own password, was last connected.

This is stored when a session ends, and once an hour while it lasts.
"""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.records.device import Device
from kith.records.devices import Devices
from kith.records.passwords import Passwords

_EVERY = 3600.0


class DeviceActivity(Feature):
    """Stores the last activity of devices. The login itself stores the time of the login."""

    def __init__(
        self, clock: Clock, tasks: Tasks, accounts: Accounts, devices: Devices, passwords: Passwords
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._accounts = accounts
        self._devices = devices
        self._passwords = passwords
        self._left: set[tuple[int, str, str]] = set()

    async def start(self) -> None:
        self._tasks.repeat(self._look, _EVERY)

    async def stop(self) -> None:
        await self._write()

    async def _look(self) -> None:
        """Stores that all connected devices are active now."""
        for account in self._accounts.all():
            for session in account.sessions.values():
                if session.sink is not None:
                    self._note(session)
        await self._write()

    def session_closed(self, session: Session) -> None:
        if not self._left:
            self._tasks.spawn(self._write())
        self._note(session)

    def _note(self, session: Session) -> None:
        self._left.add((session.account.id, session.device, session.credential))

    async def _write(self) -> None:
        left, self._left = self._left, set()
        for account, device, credential in left:
            if device:
                await self._devices.change(account, device, self._seen)
            if credential:
                await self._passwords.apps.change(account, credential, used=True)

    def _seen(self, device: Device) -> None:
        device.used = self._clock.now()
