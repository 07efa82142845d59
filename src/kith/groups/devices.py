"""Whose each OMEMO device is: read from the device lists of a group's members (XEP-0384), and kept while the
group is in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary
from xml.etree.ElementTree import Element

from kith.core.actors.accounts import Accounts
from kith.features.pubsub import Pep
from kith.groups.group import Group
from kith.wire import ns
from kith.wire.jid import JID

_NODE = f"{ns.OMEMO}.devicelist"
#: How many accounts' lists are kept.
_CACHED = 20_000
#: How many devices of one account get keys at most; the first in its list.
MAX_DEVICES = 100
_DEVICE = ns.tag(ns.OMEMO, "device")


class DeviceOwners:
    """The owners of devices, by group: for each device id, the ids of the accounts that have announced it."""

    def __init__(self, pep: Pep, accounts: Accounts) -> None:
        self._inside = pep.inside
        self._accounts = accounts
        pep.listeners.append(self._changed)
        self._devices: dict[int, frozenset[int]] = {}  # by account
        self._owners: WeakKeyDictionary[Group, tuple[object, dict[int, list[int]]]] = WeakKeyDictionary()

    def known(self, group: Group) -> Mapping[int, Sequence[int]] | None:
        """The owners of the devices of all members, or None if they have to be read (`load`)."""
        found = self._owners.get(group)
        return found[1] if found is not None and found[0] is group.members.recipients else None

    async def load(self, group: Group) -> Mapping[int, Sequence[int]]:
        """Reads the device lists of members that are not known yet."""
        recipients = group.members.recipients
        owners: dict[int, list[int]] = {}
        for account in recipients.values():
            for device in await self.of(account):
                owners.setdefault(device, []).append(account)
        self._owners[group] = recipients, owners
        return owners

    async def of(self, account: int) -> frozenset[int]:
        """The ids of the devices of an account."""
        found = self._devices.get(account)
        if found is None:
            found = await self._read(account)
            if len(self._devices) >= _CACHED:
                self._devices.clear()
            self._devices[account] = found
        return found

    async def bundle(self, account: int, device: int) -> Element | None:
        """The published keys of a device, or None."""
        items = await self._inside.items(account, f"{ns.OMEMO}.bundles:{device}")
        return list(items.values())[-1].element if items else None

    async def _read(self, account: int) -> frozenset[int]:
        found: set[int] = set()
        for item in (await self._inside.items(account, _NODE)).values():
            element = item.element
            for device in element.iter(_DEVICE) if element is not None else ():
                id = device.get("id", "")
                if len(found) < MAX_DEVICES and id.isdecimal() and len(id) <= 10:
                    found.add(int(id))
        return frozenset(found)

    async def _changed(self, owner: JID, account: int, node: str) -> None:
        """Forgets the devices of an account whose list has changed."""
        if node == _NODE and self._devices.pop(account, None) is not None:
            for group, (recipients, _) in list(self._owners.items()):
                if account in group.members.audience or recipients is not group.members.recipients:
                    self._owners.pop(group, None)
