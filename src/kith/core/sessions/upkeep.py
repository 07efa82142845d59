"""Periodic work, once a second: timeouts, and work that need not be done at once."""

from __future__ import annotations

import asyncio

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.log.marks import Marks
from kith.core.sessions.bans import Bans
from kith.core.sessions.removal import Removal
from kith.core.sessions.revocation import Revocation
from kith.core.sessions.sessions import Sessions
from kith.ports.store import Store
from kith.records.devices import PASSWORD, Devices


class Upkeep:
    """Also notices when another process, such as `kith user`, has changed accounts in the database."""

    def __init__(
        self,
        clock: Clock,
        tasks: Tasks,
        store: Store,
        marks: Marks,
        sessions: Sessions,
        accounts: Accounts,
        devices: Devices,
        bans: Bans,
        revocation: Revocation,
        removal: Removal,
        hooks: Hooks,
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._store = store
        self._marks = marks
        self._sessions = sessions
        self._accounts = accounts
        self._devices = devices
        self._bans = bans
        self._revocation = revocation
        self._removal = removal
        self._hooks = hooks
        self._changed_elsewhere = False  # since the last refresh began
        self._refreshing = False

    async def run(self) -> None:
        """Runs the periodic work until it is cancelled."""
        while True:
            await asyncio.sleep(1)
            try:
                self._tick()
            except Exception as error:
                self._tasks.failed("periodic work failed", error)

    def _tick(self) -> None:
        self._clock.now()  # notices steps of the system clock even if nothing else asks for the time
        self._store.watch()
        self._marks.flush()
        self._sessions.expire()
        self._changed_elsewhere |= self._store.changed_elsewhere()
        if self._changed_elsewhere and not self._refreshing:
            self._changed_elsewhere, self._refreshing = False, True
            self._tasks.spawn(self._refresh())  # in its own task: it reads, and a disk may not answer

    async def _refresh(self) -> None:
        try:
            await self._take_up_changes()
        finally:
            self._refreshing = False

    async def take_up(self) -> None:
        """Takes up what another process has written, without waiting for the next look."""
        self._store.changed_elsewhere()
        await self._store.flush()  # the look is done, and what the store had cached is dropped
        await self._take_up_changes()

    async def _take_up_changes(self) -> None:
        await self._bans.load()
        for jid, device in await self._devices.revoked():
            if device.id != PASSWORD:
                await self._revocation.forgotten(jid, [device])
            elif (account := await self._accounts.load(jid)) is not None:
                self._revocation.password_changed(account.id, jid)
        for gone in await self._accounts.refresh():
            await self._removal.forget(gone)
        await self._hooks.accounts_changed()
