"""Content namespaces: servers and components speak of the same stanzas in another one (RFC 6120 §4.8.3)."""

from __future__ import annotations

from kith.wire import ns
from kith.wire.stanza import Stanza


def as_client(stanza: Stanza, namespace: str) -> Stanza:
    """A stanza of a stream with that content namespace, as one of ``jabber:client``."""
    prefix = f"{{{namespace}}}"
    size = len(prefix)
    tree = stanza.element
    for element in tree.iter():
        if element.tag.startswith(prefix):
            element.tag = ns.tag(ns.CLIENT, element.tag[size:])
    return Stanza.from_element(tree)
