"""What is encrypted in a message besides its text: `<sealed/>`, with the key of the OMEMO message.

AES-128-GCM of the library `cryptography`, with an iv of its own (docs/protocol.md, Groups). It is the same in
chats and in groups.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import Any
from xml.etree.ElementTree import Element

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kith.client.extra import Extra

SEALED = "urn:kith:sealed:1"
TAG = f"{{{SEALED}}}sealed"
_IV_BYTES, _MOST_BYTES = 12, 128 * 1024


def seal(extra: Extra, key: bytes) -> Element:
    """``<sealed/>``. ``key``: the 16 bytes with which the text of the message is encrypted."""
    return seal_members(extra.sealed(), key)


def seal_members(members: dict[str, Any], key: bytes) -> Element:
    """``<sealed/>`` with the members of a JSON object."""
    iv = os.urandom(_IV_BYTES)
    content = json.dumps(members, ensure_ascii=False).encode()
    element = Element(TAG, {"iv": base64.b64encode(iv).decode()})
    element.text = base64.b64encode(AESGCM(key).encrypt(iv, content, None)).decode()
    return element


def unseal(message: Element, key: bytes) -> Extra:
    """What the message has sealed; nothing if there is none, or it was tampered with."""
    return Extra.unsealed(unseal_members(message, key))


def unseal_members(message: Element, key: bytes) -> object:
    """The JSON value that the message has sealed; None if there is none, or it was tampered with."""
    element = message.find(TAG)
    if element is None or not key or len(element.text or "") > _MOST_BYTES:
        return None
    try:
        iv = base64.b64decode(element.get("iv", ""), validate=True)
        content = base64.b64decode("".join((element.text or "").split()), validate=True)
        if len(iv) != _IV_BYTES:
            return None
        found: object = json.loads(AESGCM(key).decrypt(iv, content, None))
        return found
    except (binascii.Error, ValueError, InvalidTag, RecursionError):
        return None
