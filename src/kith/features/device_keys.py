"""XEP-0384: notes which OMEMO keys belong to a device, and removes them when the device is revoked.

A client publishes its keys in a node (version 0.3: one node per key id) or an item (0.8). Their ids are
stored with the device, so that a revoked device can be removed from the device list that others encrypt to.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.hooks.feature import Feature
from kith.features.pubsub import NodeConfig, Pep
from kith.records.device import Device
from kith.records.devices import Devices
from kith.records.passwords import Passwords
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_PUBSUB = ns.tag(ns.PUBSUB, "pubsub")
_PUBLISH = ns.tag(ns.PUBSUB, "publish")
_ITEM = ns.tag(ns.PUBSUB, "item")
_BUNDLE = "eu.siacs.conversations.axolotl.bundles:"
_BUNDLES_2 = "urn:xmpp:omemo:2:bundles"
#: The lists of devices: node and namespace, and the id that a client calls a device by.
_LISTS = ("eu.siacs.conversations.axolotl.devicelist", "urn:xmpp:omemo:2:devices")
_MAX_ID = 2**31 - 1
#: How many keys are stored for one device; older ones are dropped.
_MAX_KEYS = 16


class DeviceKeys(Feature):
    """Notes keys when they are published, and removes those of revoked devices."""

    def __init__(self, tasks: Tasks, devices: Devices, passwords: Passwords, pep: Pep) -> None:
        self._tasks = tasks
        self._devices = devices
        self._passwords = passwords
        self._inside = pep.inside

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        """Stores the ids of keys that a client publishes for its device."""
        if stanza.kind != "iq" or stanza.type != "set" or _PUBSUB not in stanza.children:
            return
        if to is not None and to.bare != session.bare:
            return
        key = _published(stanza.child(_PUBSUB))
        if key is not None and session.state.get(DeviceKeys) != key:
            session.state[DeviceKeys] = key
            self._tasks.spawn(self._note(session.account.id, session.device, session.credential, key))

    async def _note(self, account: int, device: str, credential: str, key: int) -> None:
        def change(device: Device) -> None:
            device.omemo = [*(other for other in device.omemo if other != key), key][-_MAX_KEYS:]

        if device:
            await self._devices.change(account, device, change)
        if credential:
            await self._passwords.apps.change(account, credential, omemo=key)

    async def device_revoked(self, account: Account, keys: Sequence[int]) -> None:
        """Removes the keys of a device from the device lists, and deletes the keys."""
        if not keys:
            return
        inside, owner, id = self._inside, account.address, account.id
        wanted = {str(key) for key in keys}
        for node in _LISTS:
            for item, held in list((await inside.items(id, node)).items()):
                left = _without(held.payload, wanted)
                if left is not None:
                    await inside.publish(owner, id, node, [(item, left)], NodeConfig())
        for key in wanted:
            await inside.delete(owner, id, _BUNDLE + key)
        await inside.retract(owner, id, _BUNDLES_2, sorted(wanted))


def _published(pubsub: Element | None) -> int | None:
    """The id of the keys that a request publishes, or None if it publishes none."""
    publish = pubsub.find(_PUBLISH) if pubsub is not None else None
    if publish is None:
        return None
    node = publish.get("node", "")
    text = ""
    if node.startswith(_BUNDLE):
        text = node.removeprefix(_BUNDLE)
    elif node == _BUNDLES_2:
        item = publish.find(_ITEM)
        text = item.get("id", "") if item is not None else ""
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        return None
    return int(text) if 0 < int(text) <= _MAX_ID else None


def _without(payload: bytes, keys: set[str]) -> bytes | None:
    """The device list without these ids; None if it has none of them."""
    tree = ElementTree.fromstring(payload)
    gone = [child for child in tree if child.get("id") in keys]
    for child in gone:
        tree.remove(child)
    return serialize(tree) if gone else None
