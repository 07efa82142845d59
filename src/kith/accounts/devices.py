"""What an owner can do with the devices of an account: list, rename and revoke them."""

from __future__ import annotations

from dataclasses import dataclass

from kith.accounts.errors import Refused
from kith.base.clock import Clock
from kith.core.actors.accounts import Accounts
from kith.core.sessions.revocation import Revocation
from kith.ports.store import AccountRecord
from kith.records.device import Device, clean
from kith.records.devices import Devices
from kith.records.passwords import Passwords

_MAX_KEYS = 16


@dataclass(frozen=True, slots=True)
class Shown:
    """A device, and whether it is connected. ``seen``: when it was last online, in seconds since 1970."""

    device: Device
    online: bool
    seen: float

    @property
    def name(self) -> str:
        """The name that its owner gave it, else the one that it gives itself."""
        return self.device.title or "Unknown device"


class Logins:
    """Lists, changes and revokes devices."""

    def __init__(
        self, clock: Clock, accounts: Accounts, devices: Devices, passwords: Passwords, revocation: Revocation
    ) -> None:
        self._clock = clock
        self._accounts = accounts
        self._devices = devices
        self._passwords = passwords
        self._revocation = revocation

    async def all(self, record: AccountRecord) -> list[Shown]:
        """The devices with a token or a session, the most recently used one first."""
        devices = (await self._devices.all(record.id)).values()
        return [self._shown(record, device) for device in reversed(list(devices))]

    def _shown(self, record: AccountRecord, device: Device) -> Shown:
        online = any(
            session.device == device.id and session.sink is not None
            for session in self._accounts.sessions(record.jid)
        )
        return Shown(device, online, self._clock.now() if online else device.used)

    async def change(
        self, record: AccountRecord, id: str, name: str | None = None, omemo: list[int] | None = None
    ) -> Shown:
        """Changes the name or the OMEMO device ids of a device, unless they are None. Raises Refused."""

        def change(device: Device) -> None:
            if name is not None:
                device.label = clean(name)
            if omemo is not None:
                device.omemo = list(dict.fromkeys(omemo))[:_MAX_KEYS]

        device = await self._devices.change(record.id, id, change)
        if device is None:
            raise Refused("not-found", "There is no such device.")
        return self._shown(record, device)

    async def revoke(self, record: AccountRecord, id: str) -> None:
        """Revokes a device: invalidates its token, ends its sessions, removes its keys from OMEMO lists.

        Raises Refused.
        """
        if not await self._forget(record, id):
            raise Refused("not-found", "There is no such device.")

    async def revoke_app(self, record: AccountRecord, id: str) -> None:
        """Does the same for an app password and all devices that have logged in with it. Raises Refused."""
        self._devices.ends(record.id, id)
        password = await self._passwords.apps.remove(record.id, id)
        if password is None:
            raise Refused("not-found", "There is no such app password.")
        for device in (await self._devices.all(record.id)).values():
            if device.credential == id:
                await self._forget(record, device.id)
        await self._revocation.forgotten(record.jid, [Device(id, omemo=password.omemo)])

    async def revoke_all(self, record: AccountRecord, but: str = "") -> None:
        """Revokes all devices except one."""
        for device in await self._devices.all(record.id):
            if device != but:
                await self._forget(record, device)

    async def _forget(self, record: AccountRecord, id: str) -> bool:
        """Removes a device. Returns whether it existed."""
        gone = await self._devices.forget(record.id, id)
        await self._revocation.forgotten(record.jid, gone)
        return bool(gone)
