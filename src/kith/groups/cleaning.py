"""Removes elements by which the sender of a message pretends to be the group."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from kith.groups.group import Group
from kith.groups.names import FOR, GROUPS, OCCUPANT, USER
from kith.wire import ns
from kith.wire.jid import parse_jid
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_STANZA_ID = ns.tag(ns.STANZA_ID, "stanza-id")
#: How the namespaces begin by which only a group says that a moderator has retracted something.
_MODERATED = "urn:xmpp:message-moderate"
#: Elements that only a group itself adds.
_OURS = frozenset(
    (
        *(USER, OCCUPANT, ns.tag(ns.RETRACT, "retracted"), ns.tag("urn:xmpp:message-retract:0", "retracted")),
        *(ns.tag(f"{_MODERATED}:{version}", "moderated") for version in (0, 1)),
    )
)
_GROUPS = f"{{{GROUPS}}}"
_RETRACT = ns.tag(ns.RETRACT, "retract")
_APPLY_TO = ns.tag("urn:xmpp:fasten:0", "apply-to")


def cleaned(group: Group, stanza: Stanza) -> bytes:
    """The content of a message without what only the group may say."""
    suspect = _MODERATED.encode() in stanza.inner
    if not suspect and not any(_may_be_ours(tag) for tag in stanza.children):
        return stanza.inner
    for child in stanza.element.findall(_RETRACT):
        for moderated in [part for part in child if _MODERATED in part.tag]:
            child.remove(moderated)
    return b"".join(serialize(child) for child in stanza.element if not _is_ours(child, group))


def _moderates(child: Element) -> bool:
    """Whether an element fastens a moderation to a message (XEP-0422, XEP-0425 0.2)."""
    return child.tag == _APPLY_TO and any(_MODERATED in part.tag for part in child)


def _may_be_ours(tag: str) -> bool:
    return tag in _OURS or tag == _STANZA_ID or (tag.startswith(_GROUPS) and tag != FOR)


def _is_ours(child: Element, group: Group) -> bool:
    if child.tag != _STANZA_ID:
        return _may_be_ours(child.tag) or _moderates(child)
    try:
        return parse_jid(child.get("by", "")).bare == group.jid
    except ValueError:
        return True
