"""The elements of groups (docs/protocol.md, Groups): what they mean as values, and how requests are built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from kith.client.groups.values import Affiliation, Change, Member, MemberChange, Settings
from kith.client.stanzas import STANZAS, parse_time
from kith.terminal import NICKNAME, one_line

GROUPS = "urn:kith:groups:0"
MUC_ADMIN = "http://jabber.org/protocol/muc#admin"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
MUC_USER = "http://jabber.org/protocol/muc#user"
MODERATE = "urn:xmpp:message-moderate:1"  # XEP-0425
_LONGEST_NAME, _LONGEST_TEXT = 200, 10_000


def tag(name: str) -> str:
    """The name of an element in the namespace of groups."""
    return f"{{{GROUPS}}}{name}"


@dataclass(frozen=True, slots=True)
class Summary:
    """A group in the list of an account's groups."""

    jid: str
    name: str
    number: int
    affiliation: Affiliation
    invited: bool


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group answers about itself. ``complete``: ``members`` are all, not only those who changed."""

    summary: Summary
    description: str
    settings: Settings
    members: tuple[Member, ...]
    complete: bool
    creator: str
    created: datetime | None


def number(text: str | None) -> int:
    """A number on the wire; 0 if it is none."""
    text = text or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def affiliation(text: str | None) -> Affiliation:
    """An affiliation on the wire; ``NONE`` if it is none that we know."""
    try:
        return Affiliation(text)
    except ValueError:
        return Affiliation.NONE


def summary(element: Element) -> Summary:
    """``<group/>`` in the list of groups."""
    return Summary(
        element.get("jid", ""),
        one_line(element.get("name", ""), _LONGEST_NAME),
        number(element.get("number")),
        affiliation(element.get("affiliation")),
        element.get("invited") == "true",
    )


def state(element: Element) -> GroupState:
    """``<group/>`` as a group answers about itself."""
    return GroupState(
        summary(element),
        (element.findtext(tag("description")) or "")[:_LONGEST_TEXT],
        settings(element.find(tag("settings"))),
        tuple(_member(child) for child in element.iterfind(tag("member"))),
        element.get("complete") == "true",
        element.get("creator", ""),
        parse_time(element.get("created")),
    )


def settings(element: Element | None) -> Settings:
    """``<settings/>``."""
    if element is None:
        return Settings()
    values: dict[str, Any] = {
        name: element.get(name) == "true" for name in ("announce", "history", "anonymous", "public", "open")
    }
    for name in ("invite", "change"):
        values[name] = "admins" if element.get(name) == "admins" else "members"
    return Settings(**values, expire=number(element.get("expire")))


def settings_element(values: Mapping[str, object]) -> Element:
    """``<settings/>`` with what is to be changed. Raises ValueError for a name that is none."""
    known = {field.name for field in fields(Settings)} - {"anonymous", "public", "open"}
    if unknown := values.keys() - known:
        raise ValueError(f"there is no setting {min(unknown)!r}")
    text = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()
    }
    return Element(tag("settings"), text)


def _member(element: Element) -> Member:
    return Member(
        element.get("jid", ""),
        affiliation(element.get("affiliation")),
        one_line(element.get("nick", ""), NICKNAME),
        element.get("invited") == "true",
        parse_time(element.get("since")),
        element.get("by", ""),
    )


def change(element: Element) -> tuple[int, Change]:
    """``<change/>``: the group's number after it, and what changed."""
    members = []
    for child in element.iterfind(tag("member")):
        was, now = affiliation(child.get("was")), affiliation(child.get("affiliation"))
        nick = one_line(child.get("nick", ""), NICKNAME)
        invited, moved = child.get("invited") == "true", child.get("moved", "")
        members.append(MemberChange(child.get("jid", ""), was, now, invited, nick, moved))
    name, description = element.findtext(tag("name")), element.findtext(tag("description"))
    if element.find(tag("name")) is not None:
        name = one_line(name or "", _LONGEST_NAME)
    if element.find(tag("description")) is not None:
        description = (description or "")[:_LONGEST_TEXT]
    return number(element.get("number")), Change(
        element.get("by", ""),
        tuple(members),
        name,
        description,
        settings=element.find(tag("settings")) is not None,
        avatar=element.find(tag("avatar")) is not None,
        destroyed=element.find(tag("destroyed")) is not None,
    )


def people(name: str, jids: Iterable[str], **attributes: str) -> Element:
    """A request that names people."""
    element = Element(tag(name), attributes)
    for jid in jids:
        SubElement(element, tag("member"), jid=jid)
    return element


def refused(element: Element) -> dict[str, str]:
    """The people whom an answer names as refused, with the condition of each error."""
    return {child.get("jid", ""): child.get("condition", "") for child in element.iterfind(tag("refused"))}


def affiliations(jids: Iterable[str], what: Affiliation) -> Element:
    """The request that gives people an affiliation (XEP-0045 §9)."""
    query = Element(f"{{{MUC_ADMIN}}}query")
    for jid in jids:
        SubElement(query, f"{{{MUC_ADMIN}}}item", jid=jid, affiliation=what.value)
    return query


def invitations(jids: Iterable[str]) -> Element:
    """What asks a group to send people invitations (XEP-0045 §7.8.2)."""
    element = Element(f"{{{MUC_USER}}}x")
    for jid in jids:
        SubElement(element, f"{{{MUC_USER}}}invite", to=jid)
    return element


def made_for(children: Iterable[Element]) -> int | None:
    """The number of the members that a message was encrypted for; None if it says none."""
    for child in children:
        if child.tag == tag("for"):
            return number(child.get("number"))
    return None


def stale(message: Element) -> int | None:
    """The number that the group has, if it refuses a message that was encrypted for other members."""
    error = message.find("{jabber:client}error")
    if error is None or error.find(f"{{{STANZAS}}}conflict") is None:
        return None
    found = error.find(tag("stale"))
    return None if found is None else number(found.get("number"))
