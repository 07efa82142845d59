"""Affiliations with a version, so that clients of large groups read what has changed (XEP-0463, 0.2).

A client that enters with the version that it knows gets the changes since then, and those that follow. The
version is the number of the group; a part of a long list has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.routing.post import Post
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.names import ITEM, JOIN, USER
from kith.groups.rights import may_list
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

AFFILIATIONS = "urn:xmpp:muc:affiliations:1"
_MAV = tag(AFFILIATIONS, "mav")
#: How many people are in one message.
_PART = 400


class Versions:
    """Sends affiliations to clients that want them with their version."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def begin(self, group: Group, client: JID, stanza: Stanza) -> Element | None:
        """A client enters. If it wants versions, sends it what it does not know.

        Returns what its own presence says then, or None.
        """
        wanted = stanza.element.find(f"{JOIN}/{_MAV}")
        if wanted is None:
            return None
        affiliation = group.members.rights(client.bare)
        if not may_list(group, affiliation, Affiliation.MEMBER):
            refusal = Stanza.build("message", {"from": str(client), "to": group.jid, "id": stanza.id})
            self._send(
                refusal.error(StanzaError("forbidden", "you may not see who is a member")), group, client
            )
            return None
        group.occupants.versioned.add(str(client))
        number = group.state.number
        try:
            known = natural(wanted.get("since", "0"))
        except ValueError:
            known = 0
        if known != number:
            partly = bool(known) and group.state.removed <= known < number
            members = [
                member
                for member in group.members
                if may_list(group, affiliation, member.affiliation) and (member.number > known or not partly)
            ]
            self._tell(group, client, members, str(known) if partly else "")
        return Element(_MAV, {"until": str(number)})

    def changed(self, group: Group, members: Sequence[Member], before: int) -> None:
        """Tells clients of new affiliations. ``before``: the number of the group until then."""
        for client in list(group.occupants.versioned):
            occupant = group.occupants.of(client)
            jid = occupant.clients[client][0] if occupant is not None else None
            if jid is None or not may_list(group, group.members.rights(jid.bare), Affiliation.MEMBER):
                group.occupants.versioned.discard(client)
            else:
                self._tell(group, jid, members, str(before))

    def _tell(self, group: Group, client: JID, members: Iterable[Member], since: str) -> None:
        people = list(members)
        parts = [people[start : start + _PART] for start in range(0, len(people), _PART)] or [[]]
        for place, part in enumerate(parts, 1):
            until = str(group.state.number) + (f".{place}" if place < len(parts) else "")
            user = Element(USER)
            SubElement(user, _MAV, {"until": until} | ({"since": since} if since else {}))
            for member in part:
                attrs = {"jid": member.jid, "affiliation": member.affiliation.word}
                SubElement(user, ITEM, attrs | ({"nick": member.nick} if member.nick else {}))
            message = Stanza.build("message", {"from": group.jid, "to": str(client)}, user)
            self._send(message, group, client)
            since = until

    def _send(self, stanza: Stanza | None, group: Group, client: JID) -> None:
        if stanza is not None:
            self._post.route(stanza, group.address, client)
