"""The presence that a group sends about its occupants (XEP-0045 §7.2, §7.6 and §7.14)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.routing.post import Post
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.messages import Messages
from kith.groups.names import ITEM, JOIN, MUC_USER, OCCUPANT, STATUS, USER
from kith.groups.occupants import Occupant, Role
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

#: Children of presence that occupants do not pass on.
_OURS = frozenset((JOIN, USER, OCCUPANT))
#: Presence of more bytes is passed on without extensions, since every occupant gets it of every other one.
_MAX_BYTES = 4096
_MAX_STATUS = 1024
_SHOW, _STATUS_TEXT = tag(ns.CLIENT, "show"), tag(ns.CLIENT, "status")
_UPDATE, _PHOTO = tag(ns.VCARD_UPDATE, "x"), tag(ns.VCARD_UPDATE, "photo")


class Departure:
    """Why an occupant leaves: its item's affiliation and role, who did it and why, the status codes.

    ``nick``: its new nickname, if it does not leave but gets another one. ``destroy``: the element that says
    that the group was destroyed.
    """

    __slots__ = ("actor", "affiliation", "codes", "destroy", "nick", "reason")

    def __init__(
        self,
        *codes: int,
        affiliation: Affiliation | None = None,
        actor: str = "",
        reason: str = "",
        nick: str = "",
        destroy: Element | None = None,
    ) -> None:
        self.codes = codes
        self.affiliation = affiliation
        self.actor = actor
        self.reason = reason
        self.nick = nick
        self.destroy = destroy


class RoomPresence:
    """Tells occupants about each other."""

    def __init__(self, post: Post, messages: Messages) -> None:
        self._post = post
        self._occupant_id = messages.occupant_id
        messages.introduce = self.introduce

    def announce(
        self,
        group: Group,
        occupant: Occupant,
        codes: Sequence[int] = (),
        id: str = "",
        asking: JID | None = None,
        was: Role | None = None,
        version: Element | None = None,
    ) -> None:
        """Sends an occupant's presence to all; ``codes``: status codes for the occupant itself.

        ``id``: that of the presence by which the client ``asking`` has brought this about, which gets the
        ``version`` of affiliations. ``was``: the role that the occupant had before, if it has changed.
        """
        for other, client in list(group.occupants.clients()):
            if other is occupant:
                mine = (id, version) if client == asking else ("", None)
                self.show(group, occupant, occupant, client, (110, *codes), *mine)
            elif self._is_announced(group, occupant.role, other):
                self.show(group, occupant, other, client)
            elif was is not None and self._is_announced(group, was, other):
                self._say_gone(group, occupant, other, client, Departure(), (), ())

    def show_all(self, group: Group, viewer: Occupant, client: JID) -> None:
        """Sends a client the presence of all other occupants."""
        for occupant in group.occupants:
            if occupant is not viewer and self._is_announced(group, occupant.role, viewer):
                self.show(group, occupant, viewer, client)

    def card(self, group: Group, client: JID, gone: bool = False) -> None:
        """Tells a client which picture the group has (XEP-0153); ``gone``: also that it has none."""
        if group.state.avatar or gone:
            update = Element(_UPDATE)
            SubElement(update, _PHOTO).text = group.state.avatar or None
            stanza = Stanza.build("presence", {"from": group.jid, "to": str(client)}, update)
            self._post.route(stanza, group.address, client)

    def show(
        self,
        group: Group,
        occupant: Occupant,
        viewer: Occupant,
        client: JID,
        codes: Iterable[int] = (),
        id: str = "",
        version: Element | None = None,
    ) -> None:
        """Sends a client the presence of an occupant. ``id``: that of the presence which this answers."""
        affiliation = group.members.affiliation(occupant.bare)
        user = Element(USER)
        if version is not None:
            user.append(version)
        item = SubElement(user, ITEM, {"affiliation": affiliation.word, "role": occupant.role.word})
        if self._sees_addresses(group, viewer):
            item.set("jid", next(reversed(occupant.clients)))
        _add(user, codes)
        self._send(group, occupant, client, "", [*occupant.presence(), user], id)

    def introduce(self, group: Group, nick: str, bare: str, client: JID | None = None) -> None:
        """Shows a member who writes without having entered, to those who don't know whose nickname that is.

        Otherwise clients that look for the author among the occupants, such as Profanity, could not decrypt
        what they write. ``client``: only to this one.
        """
        introduced, strangers = group.occupants.introduced, []
        for _, viewer in group.occupants.clients() if client is None else ((None, client),):
            nicks = introduced.setdefault(str(viewer), set())
            if nick not in nicks:
                nicks.add(nick)
                strangers.append(viewer)
        if not strangers:
            return  # as for each message but the first
        affiliation = group.members.affiliation(bare)
        role = group.role_of(affiliation)
        user = Element(USER)
        SubElement(user, ITEM, {"affiliation": affiliation.word, "role": role.word, "jid": bare})
        shown = Occupant(nick, bare, role)
        for viewer in strangers:
            self._send(group, shown, viewer, "", [user])

    def withdraw(self, group: Group, nick: str) -> None:
        """A member who was introduced is not one any more, or has another nickname."""
        user = Element(USER)
        SubElement(user, ITEM, {"affiliation": "none", "role": "none"})
        for _, viewer in list(group.occupants.clients()):
            nicks = group.occupants.introduced.get(str(viewer), set())
            if nick in nicks:
                nicks.discard(nick)
                self._send(group, Occupant(nick, "", Role.NONE), viewer, "unavailable", [user])

    def affiliation(self, group: Group, member: Member) -> None:
        """Tells occupants of the new affiliation of somebody who is not there (XEP-0045 §9.3, §10.6)."""
        user = Element(USER)
        SubElement(user, ITEM, {"affiliation": member.affiliation.word, "jid": member.jid, "role": "none"})
        for viewer, client in list(group.occupants.clients()):
            if self._sees_addresses(group, viewer) and str(client) not in group.occupants.versioned:
                attrs = {"from": group.jid, "to": str(client)}
                self._post.route(Stanza.build("message", attrs, user), group.address, client)

    def gone(
        self,
        group: Group,
        occupant: Occupant,
        left: Sequence[JID],
        why: Departure,
        status: Sequence[Element] = (),
    ) -> None:
        """Tells all, and the clients that have ``left``, that an occupant is not there any more.

        ``status``: further children of the presence. If the occupant still has clients, only those that have
        left are told.
        """
        for client in left:
            self._say_gone(group, occupant, occupant, client, why, (110, *why.codes), status)
        if (occupant.clients and not why.nick) or why.destroy is not None:
            return
        for other, client in list(group.occupants.clients()):
            if other is not occupant and self._is_announced(group, occupant.role, other):
                self._say_gone(group, occupant, other, client, why, why.codes, status)

    def farewell(self, group: Group, occupant: Occupant, client: JID, why: Departure) -> None:
        """Tells a client alone that it is not there any more."""
        self._say_gone(group, occupant, occupant, client, why, (110, *why.codes), ())

    def _say_gone(
        self,
        group: Group,
        occupant: Occupant,
        viewer: Occupant,
        client: JID,
        why: Departure,
        codes: Iterable[int],
        status: Sequence[Element],
    ) -> None:
        affiliation = why.affiliation
        if affiliation is None:
            affiliation = group.members.affiliation(occupant.bare)
        user = Element(USER)
        role = occupant.role if why.nick else Role.NONE
        item = SubElement(user, ITEM, {"affiliation": affiliation.word, "role": role.word})
        if self._sees_addresses(group, viewer):
            item.set("jid", str(client) if viewer is occupant else occupant.bare)
        if why.nick:
            item.set("nick", why.nick)
        if why.actor:
            SubElement(item, tag(MUC_USER, "actor"), {"nick": why.actor})
        if why.reason:
            SubElement(item, tag(MUC_USER, "reason")).text = why.reason
        if why.destroy is not None:
            user.append(why.destroy)
        _add(user, codes)
        self._send(group, occupant, client, "unavailable", [*status, user])

    def _send(
        self,
        group: Group,
        occupant: Occupant,
        client: JID,
        type: str,
        children: Sequence[Element],
        stanza_id: str = "",
    ) -> None:
        at = group.at(occupant.nick)
        attrs = {"from": str(at), "to": str(client), "type": type or None, "id": stanza_id or None}
        id = Element(OCCUPANT, {"id": self._occupant_id(group, occupant.bare)})
        self._post.route(Stanza.build("presence", attrs, *children, id), at, client)

    def _is_announced(self, group: Group, role: Role, viewer: Occupant) -> bool:
        """Whether a viewer is told of occupants with a role. Moderators always are."""
        return viewer.role is Role.MODERATOR or role.word in group.config.announced

    def _sees_addresses(self, group: Group, viewer: Occupant) -> bool:
        return not group.config.anonymous or viewer.role is Role.MODERATOR


def passed_on(stanza: Stanza) -> list[Element]:
    """The children of an occupant's presence that the others get."""
    if len(stanza.inner) <= _MAX_BYTES:
        return [child for child in stanza.element if child.tag not in _OURS]
    found = []
    for name in (_SHOW, _STATUS_TEXT):
        for child in stanza.element.findall(name)[:1]:
            plain = Element(name)
            plain.text = (child.text or "")[:_MAX_STATUS]
            found.append(plain)
    return found


def _add(user: Element, codes: Iterable[int]) -> None:
    for code in codes:
        SubElement(user, STATUS, {"code": str(code)})
