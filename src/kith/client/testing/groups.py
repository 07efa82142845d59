"""The groups of the fake server: members, their messages in one order, notices, and the numbers of changes.

As much of docs/protocol.md (Groups) as a bot meets: making, adding, removing, leaving, settings, and
messages.
"""

from __future__ import annotations

import itertools
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from kith.client.groups.wire import GROUPS, MUC_USER, made_for
from kith.client.testing.accounts import CLIENT

if TYPE_CHECKING:
    from kith.client.testing.server import FakeServer
    from kith.client.testing.session import Session

_SID = "urn:xmpp:sid:0"
_ADMIN = "http://jabber.org/protocol/muc#admin"
_BELONGING = ("owner", "admin", "member")
_places = itertools.count(1)


def _tag(name: str) -> str:
    return f"{{{GROUPS}}}{name}"


@dataclass
class FakeGroup:
    """A group. ``members``: the affiliation of each address. ``number``: of the last change of them."""

    jid: str
    name: str = ""
    description: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    nicks: dict[str, str] = field(default_factory=dict)
    number: int = 1

    def element(self, asker: str, whole: bool) -> Element:
        """``<group/>``, as somebody is told."""
        attrs = {"jid": self.jid, "number": str(self.number), "name": self.name}
        found = Element(_tag("group"), attrs | {"affiliation": self.members.get(asker, "none")})
        if whole:
            found.set("complete", "true")
            SubElement(found, _tag("description")).text = self.description
            SubElement(found, _tag("settings"), self.settings)
            for jid, affiliation in self.members.items():
                SubElement(found, _tag("member"), jid=jid, affiliation=affiliation, nick=self.nick(jid))
        return found

    def nick(self, jid: str) -> str:
        return self.nicks.get(jid, jid.partition("@")[0])


class FakeGroups:
    """The groups of a server, at ``groups.DOMAIN``."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.address = f"groups.{server.domain}"
        self.all: dict[str, FakeGroup] = {}

    def holds(self, jid: str) -> bool:
        """Whether an address is of a group, or of the service."""
        return jid.partition("/")[0].rpartition("@")[2] == self.address

    # requests

    def answer(self, session: Session, child: Element, iq: Element, reply: Element) -> bool:
        """Answers a request in the namespace of groups, or about affiliations. False: there is none."""
        name, own = child.tag.rpartition("}")[2], session.account.jid
        if name == "groupchat":
            session.groupchat = True
            return True
        if name == "groups":
            groups = SubElement(reply, _tag("groups"))
            groups.extend(one.element(own, False) for one in self.all.values() if own in one.members)
            return True
        if name == "create":
            self._create(own, child, reply)
            return True
        group = self.all.get(iq.get("to", ""))
        if group is None or own not in group.members:
            return False
        if child.tag == f"{{{_ADMIN}}}query":
            self.change(group, own, {one.get("jid", ""): one.get("affiliation", "") for one in child})
        elif name == "add":
            SubElement(reply, _tag("add")).extend(self._add(group, own, child))
        elif name == "nick":
            group.nicks[own] = child.text or ""
            SubElement(reply, _tag("nick")).text = group.nick(own)
            self.change(group, own, {own: group.members[own]})
        elif name == "group" and iq.get("type") == "get":
            reply.append(group.element(own, True))
        elif name == "group":
            self._configure(group, own, child)
        else:
            return False
        return True

    def _create(self, own: str, child: Element, reply: Element) -> None:
        jid = f"{child.get('id', '')[:24]}@{self.address}"
        group = self.all.setdefault(jid, FakeGroup(jid, members={own: "owner"}))
        self._set(group, child)
        SubElement(reply, _tag("create"), jid=jid).extend(self._add(group, own, child))

    def _add(self, group: FakeGroup, own: str, child: Element) -> list[Element]:
        people = [one.get("jid", "") for one in child.iterfind(_tag("member"))]
        new = {jid: "member" for jid in people if jid in self._server.accounts and jid not in group.members}
        if new:
            self.change(group, own, new)
        missing = [jid for jid in people if jid not in self._server.accounts]
        return [Element(_tag("refused"), jid=jid, condition="item-not-found") for jid in missing]

    def _set(self, group: FakeGroup, child: Element) -> list[Element]:
        """Takes name, description and settings. Returns what the notice says."""
        told = []
        for name in ("name", "description"):
            text = child.findtext(_tag(name))
            if text is not None:
                setattr(group, name, text)
                told.append(Element(_tag(name)))
                told[-1].text = text
        settings = child.find(_tag("settings"))
        if settings is not None:
            group.settings |= settings.attrib
            told.append(Element(_tag("settings")))
        return told

    def _configure(self, group: FakeGroup, own: str, child: Element) -> None:
        self._tell(group, own, self._set(group, child), group.members)

    def change(self, group: FakeGroup, by: str, people: dict[str, str]) -> None:
        """Changes affiliations, with one notice."""
        group.number += 1
        before = dict(group.members)
        told = []
        for jid, affiliation in people.items():
            attrs = {"jid": jid, "affiliation": affiliation, "was": before.get(jid, "none")}
            told.append(Element(_tag("member"), attrs | {"nick": group.nick(jid)}))
            group.members.pop(jid, None)
            if affiliation in _BELONGING:
                group.members[jid] = affiliation
        self._tell(group, by, told, before | group.members)

    def _tell(self, group: FakeGroup, by: str, told: list[Element], audience: dict[str, str]) -> None:
        message = Element(f"{{{CLIENT}}}message", {"from": group.jid, "type": "groupchat"})
        change = SubElement(message, _tag("change"), by=by, number=str(group.number))
        change.extend(told)
        self._post(group, message, audience)

    # messages

    def message(self, sender: Session, message: Element) -> str | None:
        """Takes a message to a group. Returns the condition of the error, if it is refused."""
        group = self.all.get(message.get("to", "").partition("/")[0])
        own = sender.account.jid
        if group is None or own not in group.members:
            return "not-acceptable"
        if message.get("type") != "groupchat" or message.find(_tag("marks")) is not None:
            return None  # marks and invitations lead to nothing here
        number = made_for(message)
        if number is not None and number != group.number:
            return "conflict"
        said = deepcopy(message)
        said.attrib.pop("to", None)
        said.set("from", f"{group.jid}/{group.nick(own)}")
        user = SubElement(said, f"{{{MUC_USER}}}x")
        SubElement(user, f"{{{MUC_USER}}}item", affiliation=group.members[own], jid=own)
        self._post(group, said, group.members, kept=message.find(f"{{{CLIENT}}}body") is not None)
        return None

    def _post(self, group: FakeGroup, message: Element, audience: dict[str, str], kept: bool = True) -> None:
        place = f"{int(datetime.now(UTC).timestamp()):08x}{next(_places):08x}"
        if kept:
            SubElement(message, f"{{{_SID}}}stanza-id", by=group.jid, id=place)
        for jid in audience:
            account = self._server.accounts.get(jid)
            if account is None:
                continue
            received = deepcopy(message)
            received.set("to", jid)
            if kept:
                SubElement(received, f"{{{_SID}}}stanza-id", by=jid, id=account.keep(received))
            for session in account.available():
                if session.groupchat:
                    session.write(received)
