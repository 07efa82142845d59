"""What Kith's clients are told of a group: its settings and members (docs/protocol.md, Groups)."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from kith.base.ids import stamp
from kith.groups.config import Config
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.names import GROUPS
from kith.wire.ns import tag

_FLAGS = ("announce", "approve", "history", "anonymous", "public")
#: Of the settings, those that people change; others are of rooms (XEP-0045).
_SET = ("announce", "approve", "history", "invite", "change", "expire")


def summary(group: Group, bare: str) -> Element:
    """``<group/>`` without what is in it: address, number, name, and what somebody is there."""
    attrs = {
        "jid": group.jid,
        "number": str(group.state.number),
        "affiliation": group.members.affiliation(bare).word,
    }
    if group.config.name:
        attrs["name"] = group.config.name
    if group.state.avatar:
        attrs["avatar"] = group.state.avatar
    return Element(tag(GROUPS, "group"), attrs)


def whole(group: Group, bare: str, since: int) -> Element:
    """``<group/>`` with everything that a member sees.

    ``since``: the number up to which the asker knows the members. If none has left after it, the answer has
    only those that have changed; otherwise all, and is marked as complete.
    """
    result = summary(group, bare)
    config, state = group.config, group.state
    result.set("created", _time(state.created))
    result.set("creator", state.creator)
    if config.description:
        SubElement(result, tag(GROUPS, "description")).text = config.description
    attrs = {name: "true" for name in _FLAGS if getattr(config, name)}
    attrs |= {"open": "true"} if not config.members_only else {}
    attrs |= {"invite": config.invite, "change": config.change, "expire": str(config.expire)}
    SubElement(result, tag(GROUPS, "settings"), attrs)
    if state.subject:
        subject = SubElement(result, tag(GROUPS, "subject"), {"by": state.subject_by})
        subject.set("at", _time(state.subject_at))
        subject.text = state.subject
    partly = bool(since) and state.removed <= since <= state.number
    if not partly:
        result.set("complete", "true")
    hidden = config.anonymous and group.members.affiliation(bare) < Affiliation.ADMIN
    for member in group.members:
        shown = member.affiliation >= Affiliation.MEMBER and (not hidden or member.jid == bare)
        if shown and (member.number > since or not partly):
            result.append(_member(member))
    return result


def changed_settings(was: Config, config: Config) -> dict[str, str]:
    """What differs between two configurations, as attributes of ``<settings/>``: of those that people set."""
    attrs = {name: str(getattr(config, name)) for name in _SET if getattr(was, name) != getattr(config, name)}
    return {name: value.lower() if name in _FLAGS else value for name, value in attrs.items()}


def _member(member: Member) -> Element:
    attrs = {"jid": member.jid, "affiliation": member.affiliation.word, "since": _time(member.since)}
    if member.nick:
        attrs["nick"] = member.nick
    if member.by and member.by != member.jid:
        attrs["by"] = member.by
    if not member.belongs:
        attrs["invited"] = "true"
    return Element(tag(GROUPS, "member"), attrs)


def _time(milliseconds: int) -> str:
    return stamp(datetime.fromtimestamp(milliseconds / 1000, UTC))
