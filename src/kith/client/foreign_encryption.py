"""Recognizes messages that are encrypted in a way that this client can't read."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

_EME = "urn:xmpp:eme:0"  # XEP-0380
_BODY = "{jabber:client}body"
#: The namespaces of encryptions, and what people call them. OMEMO has its version in its name, since this
#: client has one of them.
_NAMES: Final = {
    "urn:xmpp:omemo:0": "OMEMO 0",  # XEP-0384 0.4
    "urn:xmpp:omemo:1": "OMEMO 1",  # XEP-0384 0.5 to 0.7
    "urn:xmpp:omemo:2": "OMEMO 2",  # XEP-0384 since 0.8
    "eu.siacs.conversations.axolotl": "OMEMO",
    "jabber:x:encrypted": "PGP",  # XEP-0027
    "urn:xmpp:openpgp:0": "OpenPGP",  # XEP-0373
    "urn:xmpp:otr:0": "OTR",  # XEP-0364
    "urn:ietf:params:xml:ns:xmpp-e2e": "S/MIME",  # RFC 3923
}
_OMEMO = ("urn:xmpp:omemo:0", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2")
#: The elements with encrypted content, and their namespaces.
ELEMENTS: Final = {
    **{f"{{{namespace}}}encrypted": namespace for namespace in _OMEMO},
    "{jabber:x:encrypted}x": "jabber:x:encrypted",
    "{urn:xmpp:openpgp:0}openpgp": "urn:xmpp:openpgp:0",
    "{urn:ietf:params:xml:ns:xmpp-e2e}e2e": "urn:ietf:params:xml:ns:xmpp-e2e",
}
#: The beginning of an OTR data message of the versions 2 and 3, or of a fragment of one.
_OTR = re.compile(r"\?OTR(?::AA[IM][\w+/]|[,|][0-9a-fA-F]{1,8}[,|])", re.ASCII)
#: What a message without a body says instead, by namespaces; an encryption that it announces is a habit of
#: its sender's app then.
_SIGNALS: Final = {
    "urn:xmpp:receipts": {"received"},
    "urn:xmpp:chat-markers:0": {"received", "displayed", "acknowledged"},
    "http://jabber.org/protocol/chatstates": {"composing", "paused", "inactive", "gone"},
    "urn:xmpp:hints": {"no-store", "no-permanent-store", "no-copy"},
    "urn:xmpp:message-retract:1": {"retract"},
    "urn:xmpp:reactions:0": {"reactions"},
    "urn:kith:reaction:0": {"reaction"},
}
#: Namespaces of elements that accompany a message, and are none by themselves.
_COMPANIONS: Final = (
    *("http://jabber.org/protocol/chatstates", "urn:xmpp:hints", "urn:xmpp:sid:0", "urn:xmpp:delay"),
    *("urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "http://jabber.org/protocol/nick", _EME),
)
_ACTIVE = "{http://jabber.org/protocol/chatstates}active"
#: What can be shown as a name: it must not pass for a sentence of ours.
_PLAIN_NAME = re.compile(r"[\w.+/:-]+(?: [\w.+/:-]+){0,2}", re.ASCII)
_MAX_NAME_LENGTH = 40


def unreadable_encryption(message: Element) -> str | None:
    """The name of the encryption of a message without OMEMO 0.3; None if it is plain, or says nothing.

    It counts as encrypted if it has an element of an encryption that we know, announces one (XEP-0380), or
    has the text of OTR. Keys without content (OMEMO) are no message, and neither is a receipt or a chat
    state that announces an encryption. The name of an announced encryption that we don't know is the
    sender's own word for it, or else its namespace, if that is short and plain.
    """
    body = message.findtext(_BODY) or ""
    for tag, namespace in ELEMENTS.items():
        found = message.find(tag)
        if found is not None:
            only_keys = namespace in _OMEMO and found.find(f"{{{namespace}}}payload") is None
            return None if only_keys and not body.strip() else _NAMES[namespace]
    announced = message.find(f"{{{_EME}}}encryption")
    if announced is not None and (body.strip() or not _is_signal(message)):
        return _announced_name(announced)
    return _NAMES["urn:xmpp:otr:0"] if _OTR.match(body) else None


def announces_content(message: Element) -> bool:
    """Whether a message without a text may still be one, because it announces an encryption."""
    return message.find(f"{{{_EME}}}encryption") is not None and not _is_signal(message)


def _announced_name(announced: Element) -> str:
    namespace = announced.get("namespace", "")
    for name in (announced.get("name", ""), namespace):
        if namespace not in _NAMES and len(name) <= _MAX_NAME_LENGTH and _PLAIN_NAME.fullmatch(name):
            return name
    return _NAMES.get(namespace, "unknown")


def _is_signal(message: Element) -> bool:
    """Whether a message without a text is a receipt, a marker, a chat state, or a change of another one."""
    split = [child.tag[1:].partition("}") for child in message]
    if any(name in _SIGNALS.get(namespace, ()) for namespace, _, name in split):
        return True
    if message.find(_ACTIVE) is None:
        return False
    return all(namespace in _COMPANIONS for namespace, _, name in split if name not in ("body", "thread"))
