"""The keys of the members of a group, in bulk (docs/protocol.md, Groups).

To encrypt for a large group, a client needs the devices of all its members, and the bundles of those that it
has no session with. Members may read these of each other whatever the limits on requests about strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.groups.group import Group
from kith.groups.names import GROUPS
from kith.groups.service import GroupService
from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_DEVICES, _DEVICE, _BUNDLES, _BUNDLE, _MEMBER = (
    ns.tag(GROUPS, name) for name in ("devices", "device", "bundles", "bundle", "member")
)
#: How many bundles one answer has at most; each has several kilobytes.
MAX_BUNDLES = 50
_MAX_ID = (1 << 31) - 1


class KeyRequests(Feature):
    """Answers requests for devices and bundles of members."""

    service = "groups"

    def __init__(self, groups: GroupService) -> None:
        self._service = groups

    @handles_iq("get", GROUPS, "devices", to="place")
    async def devices(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """The devices of the members that are named, or of all."""
        group = await self._group(sender, to)
        request = iq.child(_DEVICES)
        assert request is not None
        recipients = group.members.recipients
        named = [element.get("jid", "") for element in request.findall(_MEMBER)]
        result = Element(_DEVICES, {"number": str(group.state.number)})
        for jid in dict.fromkeys(named) if named else recipients:
            if jid in recipients:
                for device in sorted(await self._service.devices.of(recipients[jid])):
                    SubElement(result, _DEVICE, {"jid": jid, "id": str(device)})
        return (result,)

    @handles_iq("get", GROUPS, "bundles", to="place")
    async def bundles(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """The bundles of the devices that are named, as far as they exist."""
        group = await self._group(sender, to)
        request = iq.child(_BUNDLES)
        assert request is not None
        named = request.findall(_DEVICE)
        if len(named) > MAX_BUNDLES:
            raise StanzaError("policy-violation", f"ask for at most {MAX_BUNDLES} devices")
        result = Element(_BUNDLES)
        for element in named:
            jid = element.get("jid", "")
            try:
                device = natural(element.get("id", ""))
            except ValueError:
                raise StanzaError("bad-request", "the id of a device is a number") from None
            account = group.members.recipients.get(jid)
            bundle = None
            if account is not None and device <= _MAX_ID:
                bundle = await self._service.devices.bundle(account, device)
            if bundle is not None:
                found = SubElement(result, _BUNDLE, {"jid": jid, "id": str(device)})
                found.append(bundle)
        return (result,)

    async def _group(self, sender: Sender, to: JID) -> Group:
        """The group, if the sender belongs to it. Raises StanzaError."""
        group = await self._service.load(to, sender)
        member = group.members.get(sender.bare)
        if member is None or not member.belongs:
            raise StanzaError("forbidden", "only members may ask for keys")
        return group
