"""Fetches the keys of a group's members, in bulk: the devices of all, and the bundles of new ones.

Servers that answer neither are asked member by member, as for chats (XEP-0163).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

import oldmemo
import omemo
from slixmpp.exceptions import IqError

from kith.client import omemo_xml
from kith.client.groups import wire
from kith.client.groups.sync import GroupSync

if TYPE_CHECKING:
    from kith.client.encryption import Encryption

_NAMESPACE = oldmemo.oldmemo.NAMESPACE
_BUNDLE = f"{{{_NAMESPACE}}}bundle"
#: How many bundles a request asks for, and how many members.
_BUNDLES, _MEMBERS = 50, 200


class GroupKeys:
    """Device lists and bundles of members."""

    __slots__ = ("_encryption", "_sync")

    def __init__(self, sync: GroupSync, encryption: Encryption) -> None:
        self._sync = sync
        self._encryption = encryption

    async def refresh(self, group: str, members: Collection[str]) -> None:
        """Fetches the device lists of members that are not fresh. Raises IqTimeout."""
        old = [member for member in members if not self._encryption.is_fresh(member)]
        if len(old) > 1:
            try:
                for start in range(0, len(old), _MEMBERS):
                    await self._refresh(group, old[start : start + _MEMBERS])
                return
            except IqError:
                pass  # the server does not have that: ask for each
        for member in old:
            await self._encryption.refresh(member)

    async def _refresh(self, group: str, members: Sequence[str]) -> None:
        request = wire.people("devices", members)
        answer = await self._sync.request("get", group, request)
        lists: dict[str, dict[int, str | None]] = {member: {} for member in members}
        for element in answer.iter(wire.tag("device")):
            device, jid = wire.number(element.get("id")), element.get("jid", "")
            if jid in lists and 0 < device < 2**31:
                lists[jid][device] = None
        for member, devices in lists.items():
            if devices:
                await self._encryption.take_devices(member, devices)
            else:
                await self._encryption.refresh(member)  # perhaps of another server

    async def fetch(self, group: str, devices: Sequence[tuple[str, int]]) -> None:
        """Fetches the bundles of devices, for `Encryption` to use. What is missing is fetched singly later.

        Raises IqTimeout.
        """
        for start in range(0, len(devices), _BUNDLES):
            some = devices[start : start + _BUNDLES]
            request = Element(wire.tag("bundles"))
            for jid, device in some:
                SubElement(request, wire.tag("device"), jid=jid, id=str(device))
            try:
                answer = await self._sync.request("get", group, request)
            except IqError:
                return
            asked = set(some)
            for element in answer.iter(wire.tag("bundle")):
                key = element.get("jid", ""), wire.number(element.get("id"))
                bundle = element.find(_BUNDLE)
                if key in asked and bundle is not None:
                    self._keep(*key, bundle)

    def _keep(self, jid: str, device: int, element: Element) -> None:
        try:
            bundle: omemo.Bundle = omemo_xml.parse_bundle(element, jid, device)
        except Exception:  # malformed: the library raises many kinds, and the device is asked for it singly
            return
        self._encryption.bundles.keep(jid, device, bundle)
