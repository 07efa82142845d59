"""Recognizes messages that are encrypted in a way that this client can't read."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

_EME = "urn:xmpp:eme:0"  # XEP-0380
_OMEMO_2 = "urn:xmpp:omemo:2"  # XEP-0384 since version 0.8
#: The elements with encrypted content, and what people call the encryption.
ELEMENTS: Final = {
    f"{{{_OMEMO_2}}}encrypted": "OMEMO 2",
    "{jabber:x:encrypted}x": "PGP",  # XEP-0027
    "{urn:xmpp:openpgp:0}openpgp": "OpenPGP",  # XEP-0373
}
#: The namespaces that are announced with XEP-0380, and what people call them.
_NAMES: Final = {
    _OMEMO_2: "OMEMO 2",
    "eu.siacs.conversations.axolotl": "OMEMO",
    "jabber:x:encrypted": "PGP",
    "urn:xmpp:openpgp:0": "OpenPGP",
    "urn:xmpp:otr:0": "OTR",
}
#: What can be shown as a name: it must not pass for a sentence of ours.
_PLAIN_NAME = re.compile(r"[\w.+/:-]+(?: [\w.+/:-]+){0,2}", re.ASCII)
_LONGEST_NAME = 40


def unreadable_encryption(message: Element) -> str | None:
    """The name of the encryption of a message without OMEMO 0.3; None if it is not encrypted.

    It counts as encrypted if it has an element of an encryption that we know, or announces one (XEP-0380).
    Keys without content (OMEMO 2) are no message. The name of an announced encryption that we don't know is
    the sender's own word for it, or else its namespace, if that is short and plain.
    """
    for tag, name in ELEMENTS.items():
        found = message.find(tag)
        if found is not None:
            empty = name == "OMEMO 2" and found.find(f"{{{_OMEMO_2}}}payload") is None
            return None if empty else name
    announced = message.find(f"{{{_EME}}}encryption")
    if announced is None:
        return None
    namespace = announced.get("namespace", "")
    for name in (announced.get("name", ""), namespace):
        if namespace not in _NAMES and len(name) <= _LONGEST_NAME and _PLAIN_NAME.fullmatch(name):
            return name
    return _NAMES.get(namespace, "unknown")
