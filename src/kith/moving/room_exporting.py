"""What an export says of a group, as a room, before its archive: all that is needed to have it again."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kith.base.ids import stamp
from kith.features.forms import X
from kith.groups import card
from kith.groups import config as configs
from kith.groups import group as states
from kith.groups import members as affiliations
from kith.groups.configuration import form_of
from kith.groups.groups import GROUP, MEMBERS
from kith.moving.names import CREATED_TAG, MEMBER_TAG, SUBJECT_TAG
from kith.ports.store import Store
from kith.wire.canonical import parse_children


async def head(store: Store, id: int) -> list[Element] | None:
    """What comes before the archive; None if the group was destroyed."""
    found = await store.documents_of(id, (GROUP, MEMBERS, card.SPACE))
    own = {document.key: document.value for document in found[GROUP]}
    config, state = configs.load(own["config"]), states.load(own["state"])
    if state.destroyed:
        return None
    form = form_of(config)
    form.set("type", "submit")
    elements = [Element(X, form.attrib), Element(CREATED_TAG, {"at": _stamp(state.created)})]
    elements[0].extend(child for child in form if child.get("var"))
    for name, value in (("by", state.creator), ("number", str(state.number)), ("link", state.link)):
        if value:
            elements[1].set(name, value)
    for document in found[MEMBERS]:
        elements.append(_member(affiliations.load(document.value)))
    if state.subject:
        subject = Element(SUBJECT_TAG, {"by": state.subject_by, "at": _stamp(state.subject_at)})
        subject.text = state.subject
        elements.append(subject)
    for document in found[card.SPACE]:
        elements += parse_children(document.value)
    return elements


def _member(member: affiliations.Member) -> Element:
    attrs = {
        "jid": member.jid,
        "affiliation": member.affiliation.word,
        "nick": member.nick,
        "since": _stamp(member.since),
        "by": member.by,
        "reason": member.reason,
        "invited": "true" if member.pending else "",
    }
    return Element(MEMBER_TAG, {name: value for name, value in attrs.items() if value})


def _stamp(milliseconds: int) -> str:
    return stamp(datetime.fromtimestamp(milliseconds / 1000, UTC))
