"""OMEMO elements as XML, where the library is stricter than what other clients send.

A key exchange without a one-time prekey, which X3DH allows (section 3.3), has no prekey id on the wire. The
library can neither write nor parse that. Inside the library such an exchange has the id `NO_PREKEY`.
"""

from __future__ import annotations

import base64
from copy import deepcopy
from typing import Final
from xml.etree.ElementTree import Element

import oldmemo
import oldmemo.etree
import omemo
import x3dh
from oldmemo.oldmemo import BundleImpl, ContentImpl, EncryptedKeyMaterialImpl, KeyExchangeImpl
from oldmemo.oldmemo_pb2 import OMEMOKeyExchange  # type: ignore[attr-defined, unused-ignore]

_NAMESPACE = oldmemo.oldmemo.NAMESPACE
_KEYS = f"{{{_NAMESPACE}}}key"
#: The library numbers one-time prekeys from 1.
NO_PREKEY: Final = 0


def serialize(message: omemo.Message) -> Element:
    """``<encrypted/>``, in which a key exchange without a one-time prekey has no prekey id."""
    element = oldmemo.etree.serialize_message(message)
    for key in element.iter(_KEYS):
        if key.get("prekey") in ("true", "1"):
            key.text = _rewritten(key.text or "", leave_out=True)
    return element


def readable(element: Element) -> Element:
    """Changes an ``<encrypted/>`` so that the library can parse it. Raises ValueError."""
    for key in element.iter(_KEYS):
        if key.get("prekey") in ("true", "1"):
            key.text = _rewritten(key.text or "", leave_out=False)
    return element


def parse_message(element: Element, sender: str, own: str, identity_key: bytes) -> omemo.Message:
    """The message in ``<encrypted/>``.

    ``sender`` and ``own`` are bare addresses, ``identity_key`` is that of the sending device, as the library
    stores it. The library's own parser has a schema validated first, which takes longer than decrypting.
    Raises ValueError if the element is malformed, and what the library raises.
    """
    element = readable(deepcopy(element))
    header = element.find(f"{{{_NAMESPACE}}}header")
    device = sender_device(element)
    if header is None or device is None:
        raise ValueError("there is no header with a device id")
    sign = bool(identity_key[31] >> 7)  # which the format does not carry
    keys = set()
    for key in header.iterfind(_KEYS):
        recipient = _device_id(key.get("rid", ""))
        if recipient is None:
            raise ValueError("a key has no device id")
        exchange = None
        if key.get("prekey") in ("true", "1"):
            exchange, sealed = KeyExchangeImpl.parse(_data(key.text), sign)
        else:
            sealed = _data(key.text)
        keys.add((EncryptedKeyMaterialImpl.parse(sealed, own, recipient), exchange))
    iv, payload = header.find(f"{{{_NAMESPACE}}}iv"), element.find(f"{{{_NAMESPACE}}}payload")
    if iv is None:
        raise ValueError("there is no initialization vector")
    if payload is None:
        content = ContentImpl.make_empty()
    else:
        content = ContentImpl(_data(payload.text), _data(iv.text))
    return omemo.Message(_NAMESPACE, sender, device, content, frozenset(keys))


def _data(text: str | None) -> bytes:
    """Base64, as schemas have it: with white space anywhere, and nothing else besides. Raises ValueError."""
    return base64.b64decode("".join((text or "").split()), validate=True)


def _rewritten(text: str, leave_out: bool) -> str:
    """A key exchange in base64 with the id `NO_PREKEY` left out or put in."""
    data = _data(text)
    exchange = OMEMOKeyExchange()
    try:
        exchange.MergeFromString(data[1:])
    except Exception:
        return text  # the library says what is wrong with it
    if leave_out and exchange.pk_id == NO_PREKEY:
        exchange.ClearField("pk_id")
    elif not leave_out and not exchange.HasField("pk_id"):
        exchange.pk_id = NO_PREKEY
    else:
        return text
    return base64.b64encode(data[:1] + exchange.SerializePartialToString()).decode()


def parse_bundle(element: Element, bare_jid: str, device_id: int) -> BundleImpl:
    """The bundle in ``<bundle/>``, which may have no one-time prekeys. Raises what the library raises."""
    prekeys = element.find(f"{{{_NAMESPACE}}}prekeys")
    if prekeys is None or len(prekeys):
        return oldmemo.etree.parse_bundle(element, bare_jid, device_id)
    filler = Element(f"{{{_NAMESPACE}}}preKeyPublic", {"preKeyId": "1"})
    filler.text = base64.b64encode(b"\x05" + bytes(32)).decode()
    prekeys.append(filler)
    parsed = oldmemo.etree.parse_bundle(element, bare_jid, device_id)
    prekeys.remove(filler)
    keys = parsed.bundle
    bundle = x3dh.Bundle(keys.identity_key, keys.signed_pre_key, keys.signed_pre_key_sig, frozenset())
    return BundleImpl(bare_jid, device_id, bundle, parsed.signed_pre_key_id, {})


def sender_device(element: Element) -> int | None:
    """The device id that ``<encrypted/>`` claims to be from; None if there is none that could be one."""
    header = element.find(f"{{{_NAMESPACE}}}header")
    return None if header is None else _device_id(header.get("sid", ""))


def _device_id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None
