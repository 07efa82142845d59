"""Encrypts for all devices of all members of a group (OMEMO, XEP-0384)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

import omemo

from kith.client import trust
from kith.client.errors import NoTrustedDevices, PeerHasNoDevices
from kith.client.groups.keys import GroupKeys
from kith.client.groups.sync import GroupSync
from kith.client.message import Trust

if TYPE_CHECKING:
    from kith.client.encryption import Encryption


class GroupEncryption:
    """Encrypts for members. Called within `KeyWork.run`, as `Encryption` is, whose sessions it uses."""

    __slots__ = ("_encryption", "_keys", "_own")

    def __init__(self, sync: GroupSync, encryption: Encryption, own: str) -> None:
        self._encryption = encryption
        self._keys = GroupKeys(sync, encryption)
        self._own = own

    async def encrypt(self, group: str, members: Collection[str], body: str | None) -> tuple[Element, bytes]:
        """Encrypts for all trusted devices of members, and our own others. Returns the message's key, too.

        Without a body, only a key is sent. Members without any device, and those whose devices we all
        distrust, are left out, unless nobody is left. Raises PeerHasNoDevices; NoTrustedDevices, if a member
        has new keys that wait for a decision and no others; and IqTimeout.
        """
        others = [member for member in members if member != self._own]
        await self._keys.refresh(group, others)
        try:
            await self._fetch_new(group, others)
            devices = await self._devices(others)
            return await self._encryption.encrypt_to(devices, body)
        finally:
            self._encryption.bundles.release()

    async def _fetch_new(self, group: str, members: Collection[str]) -> None:
        """Fetches the bundles of devices that there is no session with."""
        missing = []
        for member in members:
            for device in await self._encryption.active_devices(member):
                if await self._encryption.backend.load_session(member, device) is None:
                    missing.append((member, device))
        if missing:
            await self._keys.fetch(group, missing)

    async def _devices(self, members: Collection[str]) -> list[omemo.DeviceInformation]:
        """The devices to encrypt for."""
        found: list[omemo.DeviceInformation] = []
        undecided, readers = [], 0
        for member in [*members, self._own]:
            await self._encryption.decide_trust(member)
            devices = [
                device
                for device in await self._encryption.sessions.get_device_information(member)
                if any(on for _, on in device.active)
            ]
            levels = {trust.level(device) for device in devices}
            sound = [device for device in devices if trust.level(device).sound]
            if Trust.UNDECIDED in levels and not sound and member != self._own:
                undecided.append(member)
            readers += bool(sound) and member != self._own
            found += sound
        if undecided:
            raise NoTrustedDevices(
                f"{', '.join(undecided)} has no device that you trust. Nothing was sent. "
                "Compare fingerprints with them, then verify."
            )
        if members and not readers:
            raise PeerHasNoDevices(
                "Nobody else in this group has a device that can read encrypted messages. Nothing was sent. "
                "To send it unencrypted this once, repeat it with encrypted=False."
            )
        return found
