"""The presence that a group sends about its occupants (XEP-0045 §7.2, §7.6 and §7.14)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.routing.post import Post
from kith.groups.group import Group
from kith.groups.members import Affiliation
from kith.groups.messages import Messages
from kith.groups.names import ITEM, JOIN, MUC_USER, OCCUPANT, STATUS, USER
from kith.groups.occupants import Occupant, Role
from kith.wire.jid import JID
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

#: Children of presence that occupants do not pass on.
_OURS = frozenset((JOIN, USER, OCCUPANT))


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

    def announce(self, group: Group, occupant: Occupant, codes: Sequence[int] = ()) -> None:
        """Sends an occupant's presence to all; ``codes``: status codes for the occupant itself."""
        for other, client in group.occupants.clients():
            if other is occupant:
                self.show(group, occupant, occupant, client, (110, *codes))
            elif self._is_announced(group, occupant, other):
                self.show(group, occupant, other, client)

    def show_all(self, group: Group, viewer: Occupant, client: JID) -> None:
        """Sends a client the presence of all other occupants."""
        for occupant in group.occupants:
            if occupant is not viewer and self._is_announced(group, occupant, viewer):
                self.show(group, occupant, viewer, client)

    def show(
        self, group: Group, occupant: Occupant, viewer: Occupant, client: JID, codes: Iterable[int] = ()
    ) -> None:
        """Sends a client the presence of an occupant."""
        affiliation = group.members.affiliation(occupant.bare)
        user = Element(USER)
        item = SubElement(user, ITEM, {"affiliation": affiliation.word, "role": occupant.role.word})
        if self._sees_addresses(group, viewer):
            item.set("jid", next(reversed(occupant.clients)))
        _add(user, codes)
        self._send(group, occupant, client, "", [*occupant.presence(), user])

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
        if occupant.clients and not why.nick:
            return
        for other, client in group.occupants.clients():
            if other is not occupant and self._is_announced(group, occupant, other):
                self._say_gone(group, occupant, other, client, why, why.codes, status)

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
        self, group: Group, occupant: Occupant, client: JID, type: str, children: Sequence[Element]
    ) -> None:
        at = group.at(occupant.nick)
        attrs = {"from": str(at), "to": str(client), "type": type or None}
        id = Element(OCCUPANT, {"id": self._occupant_id(group, occupant.bare)})
        self._post.route(Stanza.build("presence", attrs, *children, id), at, client)

    def _is_announced(self, group: Group, occupant: Occupant, viewer: Occupant) -> bool:
        """Whether a viewer is told of an occupant. Moderators always are."""
        return viewer.role is Role.MODERATOR or occupant.role.word in group.config.announced

    def _sees_addresses(self, group: Group, viewer: Occupant) -> bool:
        return not group.config.anonymous or viewer.role is Role.MODERATOR


def passed_on(stanza: Stanza) -> list[Element]:
    """The children of an occupant's presence that the others get."""
    return [child for child in stanza.element if child.tag not in _OURS]


def _add(user: Element, codes: Iterable[int]) -> None:
    for code in codes:
        SubElement(user, STATUS, {"code": str(code)})
