"""Encrypts statuses for all trusted devices of an audience (OMEMO, XEP-0384)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError

from kith.client import trust
from kith.client.errors import NotEncrypted
from kith.client.sealed import seal_members
from kith.client.status.content import Content
from kith.client.status.wire import MOST_KEYS, MOST_PEOPLE

if TYPE_CHECKING:
    from kith.client.encryption import Encryption

#: A person, with the devices to encrypt for.
_Person = tuple[str, list[Any]]


class StatusEncryption:
    """Encrypts for an audience. Called within `KeyWork.run`, as `Encryption` is, whose sessions it uses."""

    __slots__ = ("_encryption", "_own")

    def __init__(self, encryption: Encryption, own: str) -> None:
        self._encryption = encryption
        self._own = own

    async def encrypt(
        self, people: Sequence[str], content: Content
    ) -> list[tuple[list[str], Element, Element]]:
        """Encrypts a status for people, some at a time, so that each part fits into a message.

        Returns people, ``<encrypted/>`` and ``<sealed/>`` for each part. Who has no device that we trust is
        left out, but for ourselves. Raises IqTimeout.
        """
        persons: list[_Person] = []
        for jid in people:
            devices = await self._devices(jid)
            if devices or jid == self._own:
                persons.append((jid, devices))
        made = []
        for part in _parts(persons):
            devices = [device for _, some in part for device in some]
            encrypted, key = await self._encryption.encrypt_to(devices, content.text)
            made.append(([jid for jid, _ in part], encrypted, seal_members(content.sealed(), key)))
        return made

    async def _devices(self, jid: str) -> list[Any]:
        """The devices of somebody to encrypt for."""
        encryption = self._encryption
        try:
            await encryption.refresh(jid)
            await encryption.decide_trust(jid)
        except (IqError, NotEncrypted):
            return []
        found = await encryption.sessions.get_device_information(jid)
        return [
            device for device in found if trust.level(device).sound and any(on for _, on in device.active)
        ]


def _parts(persons: Sequence[_Person]) -> list[list[_Person]]:
    """Divides an audience by the number of people and of keys."""
    parts: list[list[_Person]] = [[]]
    keys = 0
    for person in persons:
        if parts[-1] and (len(parts[-1]) >= MOST_PEOPLE or keys + len(person[1]) > MOST_KEYS):
            parts.append([])
            keys = 0
        parts[-1].append(person)
        keys += len(person[1])
    return [part for part in parts if part]
