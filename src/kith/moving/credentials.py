"""SCRAM keys of passwords (XEP-0227 §4.3)."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from xml.etree.ElementTree import Element, SubElement

from kith.moving.names import CREDENTIALS_TAG, SCRAM
from kith.ports.store import Keys
from kith.wire import ns
from kith.wire.digits import natural

#: The digest of each hash, in bytes.
_SIZES = {
    name: hashlib.new(name.replace("-", "").lower()).digest_size for name in ("SHA-1", "SHA-256", "SHA-512")
}
#: More iterations would let each check of a password take seconds.
_MOST_ITERATIONS = 1_000_000
#: The sizes of salts, in bytes. Passwords with shorter ones can't be checked.
_LEAST_SALT, _MOST_SALT = 12, 1024


def read(element: Element) -> tuple[str, Keys]:
    """The name of the hash, and the keys. Raises ValueError."""
    mechanism = element.get("mechanism", "")
    name = mechanism.removeprefix("SCRAM-")
    if name not in _SIZES or not mechanism.startswith("SCRAM-"):
        raise ValueError(f"keys for {mechanism or 'no mechanism'}, which Kith does not have")
    iterations = natural(_text(element, "iter-count"))
    if not 0 < iterations <= _MOST_ITERATIONS:
        raise ValueError(f"keys with {iterations} iterations")
    values = [_text(element, child) for child in ("salt", "stored-key", "server-key")]
    salt, stored, server = map(_decoded, values)
    if len(stored) != _SIZES[name] and len(server) != _SIZES[name]:
        # ejabberd encodes twice what it keeps in base64 (seen in 23.01)
        salt, stored, server = (
            _decoded(value.decode("ascii", "replace")) for value in (salt, stored, server)
        )
    if len(stored) != _SIZES[name] or len(server) != _SIZES[name]:
        raise ValueError(f"keys that do not have the size of {name}")
    if not _LEAST_SALT <= len(salt) <= _MOST_SALT:
        raise ValueError(f"keys with a salt of {len(salt)} bytes")
    return name, Keys(salt, stored, server, iterations)


def _text(element: Element, name: str) -> str:
    return (element.findtext(ns.tag(SCRAM, name)) or "").strip()


def _decoded(text: str) -> bytes:
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("keys that are not base64") from None


def write(keys: dict[str, Keys]) -> list[Element]:
    """The elements for the keys of an account."""
    written = []
    for name, held in sorted(keys.items()):
        element = Element(CREDENTIALS_TAG, {"mechanism": f"SCRAM-{name}"})
        for child, value in (
            ("iter-count", str(held.iterations)),
            ("salt", b64encode(held.salt).decode()),
            ("server-key", b64encode(held.server_key).decode()),
            ("stored-key", b64encode(held.stored_key).decode()),
        ):
            SubElement(element, ns.tag(SCRAM, child)).text = value
        written.append(element)
    return written
