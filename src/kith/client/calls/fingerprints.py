"""OMEMO-verified DTLS: the fingerprint of the media's certificate travels encrypted from device to device.

A server that negotiates the session can replace a plain fingerprint, and so listen. It can't replace one
that is encrypted by a key that both devices know. This is the draft that Conversations and Dino use: in
``<transport/>``, its ``<fingerprint/>`` with ``<encrypted/>`` takes the place of that of XEP-0320.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.calls.xml import DTLS, VERIFIED
from kith.client.database import Database
from kith.client.decrypted import Undecryptable
from kith.client.encryption import Encryption
from kith.client.errors import NotEncrypted
from kith.client.key_work import KeyWork
from kith.client.message import Trust
from kith.client.stanzas import leaf

_PLAIN = f"{{{DTLS}}}fingerprint"
_SEALED = f"{{{VERIFIED}}}fingerprint"


class BadFingerprint(Exception):
    """An encrypted fingerprint can't be read, or is not from the device that takes part in the call."""


class Fingerprints:
    """Encrypts and decrypts the fingerprints in ``<jingle/>``."""

    def __init__(self, encryption: Encryption, key_work: KeyWork, database: Database) -> None:
        self._encryption = encryption
        self._key_work = key_work
        self._db = database

    async def device(self) -> int:
        """The OMEMO id of this device."""
        this, _ = await self._encryption.sessions.get_own_device_information()
        return this.device_id

    async def seal(self, jingle: Element, peer: str, device: int) -> bool:
        """Encrypts all fingerprints for a device. False if that is not possible: they stay plain then."""
        if not device:
            return False
        try:
            await self._key_work.run(self._seal(jingle, peer, device))
        except NotEncrypted:
            self._db.rollback()
            return False
        return True

    async def _seal(self, jingle: Element, peer: str, device: int) -> None:
        await self._encryption.refresh(peer)
        await self._encryption.decide_trust(peer)
        sealed = [  # each by itself, since a message can be decrypted only once
            (transport, plain, await self._encryption.encrypt_for(peer, device, (plain.text or "").strip()))
            for transport, plain in _found(jingle, _PLAIN)
        ]
        self._db.commit()
        await self._db.flush()
        for transport, plain, encrypted in sealed:
            element = leaf(VERIFIED, "fingerprint", **plain.attrib)
            element.append(encrypted)
            transport[list(transport).index(plain)] = element

    async def open(self, jingle: Element, peer: str, device: int = 0) -> tuple[int, Trust]:
        """Puts the plain fingerprint in the place of each encrypted one.

        ``device``: the one that they have to be from; 0: any. Returns the device, and how far it is trusted;
        PLAIN if any fingerprint was not encrypted. Raises BadFingerprint.
        """
        sealed = _found(jingle, _SEALED)
        if not sealed:
            return device, Trust.PLAIN
        if len(sealed) > 4:
            raise BadFingerprint
        return await self._key_work.run(self._open(jingle, sealed, peer, device))

    async def _open(
        self, jingle: Element, sealed: list[tuple[Element, Element]], peer: str, device: int
    ) -> tuple[int, Trust]:
        level = Trust.PLAIN
        texts: dict[bytes, str] = {}
        for transport, element in sealed:
            encrypted = element.find(f"{{{stanzas.OMEMO}}}encrypted")
            if encrypted is None:
                raise BadFingerprint
            payload = (encrypted.findtext(f"{{{stanzas.OMEMO}}}payload") or "").encode()
            if payload not in texts:  # the same element in several contents can be decrypted once alone
                try:
                    found = await self._encryption.decrypt(encrypted, peer)
                except Undecryptable as error:
                    raise BadFingerprint from error
                finally:
                    self._db.commit()
                if found.body is None or (device and found.device != device):
                    raise BadFingerprint
                device, level = found.device, found.trust
                texts[payload] = found.body
            plain = leaf(DTLS, "fingerprint", **element.attrib)
            plain.text = texts[payload]
            transport[list(transport).index(element)] = plain
        mixed = len(_found(jingle, _PLAIN)) != len(sealed)
        return device, Trust.PLAIN if mixed else level


def _found(jingle: Element, name: str) -> list[tuple[Element, Element]]:
    return [(parent, child) for parent in jingle.iter() for child in parent if child.tag == name]
