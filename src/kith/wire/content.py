"""Content namespaces: streams of servers and components use another one for stanzas (RFC 6120 §4.8.3)."""

from __future__ import annotations

from kith.wire import ns
from kith.wire.stanza import Stanza


def as_client(stanza: Stanza, namespace: str) -> Stanza:
    """Converts a stanza to the namespace ``jabber:client``.

    ``namespace`` is the content namespace of the stream it came from.
    """
    prefix = f"{{{namespace}}}"
    size = len(prefix)
    tree = stanza.element
    for element in tree.iter():
        if element.tag.startswith(prefix):
            element.tag = ns.tag(ns.CLIENT, element.tag[size:])
    return Stanza.from_element(tree)
