"""Requests for voice in a moderated room, and their approval by moderators (XEP-0045 §7.13 and §8.6)."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from kith.core.actors.intake import Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.routing.post import Post
from kith.features.forms import Field, Form, build_form, to_boolean
from kith.groups.group import Group
from kith.groups.names import MUC
from kith.groups.occupants import Occupant, Role
from kith.groups.service import GroupService
from kith.wire.errors import StanzaError
from kith.wire.stanza import Stanza

REQUEST = f"{MUC}#request"
_ROLE, _JID, _NICK, _ALLOW = "muc#role", "muc#jid", "muc#roomnick", "muc#request_allow"


class VoiceRequests(Feature):
    """Passes requests for voice to the moderators who are there, and does what they answer."""

    service = "groups"

    def __init__(self, post: Post, groups: GroupService) -> None:
        self._post = post
        self._asking: WeakKeyDictionary[Group, set[Occupant]] = WeakKeyDictionary()
        self._groups = groups
        groups.forms[REQUEST] = self._handle

    def _handle(self, group: Group, sender: Sender, form: Form) -> Work:
        occupant = group.occupants.of(sender.full)
        if occupant is None:
            raise StanzaError("not-acceptable", "only occupants ask for voice")
        if _ALLOW in form.values or _NICK in form.values:
            self._approve(group, occupant, form)
        else:
            self._request(group, occupant, form)
        return None

    def _request(self, group: Group, occupant: Occupant, form: Form) -> None:
        """Asks the moderators. Raises StanzaError."""
        if form.one(_ROLE) != Role.PARTICIPANT.word:
            raise StanzaError("bad-request", "only voice can be asked for")
        if occupant.role is not Role.VISITOR:
            raise StanzaError("not-allowed", "you have voice")
        self._groups.rates.take("voice", group.jid, occupant.bare)
        fields = [
            Field(_ROLE, (Role.PARTICIPANT.word,), "list-single", "Role", (Role.PARTICIPANT.word,)),
            Field(_JID, (next(reversed(occupant.clients)),), "jid-single", "Address"),
            Field(_NICK, (occupant.nick,), "text-single", "Nickname"),
            Field(_ALLOW, ("0",), "boolean", "Let this person speak?"),
        ]
        asked = build_form("form", REQUEST, fields, "Somebody asks to speak")
        asking = self._asking.get(group, set())
        there = (one for one in group.occupants if one in asking)  # those who have left are forgotten
        self._asking[group] = {occupant, *there}
        for other, client in list(group.occupants.clients()):
            if other.role is Role.MODERATOR:
                attrs = {"from": group.jid, "to": str(client)}
                self._post.route(Stanza.build("message", attrs, asked), group.address, client)

    def _approve(self, group: Group, moderator: Occupant, form: Form) -> None:
        """Gives voice, if a moderator says so. Raises StanzaError."""
        if moderator.role is not Role.MODERATOR:
            raise StanzaError("forbidden", "only moderators give voice")
        try:
            allowed = to_boolean(form.one(_ALLOW, "0"))
        except ValueError:
            raise StanzaError("bad-request", _ALLOW) from None
        occupant = group.occupants.get(form.one(_NICK))
        if occupant is None:
            raise StanzaError("item-not-found", "nobody has this nickname")
        self._decide(group, occupant, allowed)

    # -- the list of requests (`kith.groups.requests`) ---------------------------------------------

    def waiting(self, group: Group) -> list[Occupant]:
        """Who is there, and has asked for voice without an answer."""
        asking = self._asking.get(group, set())
        return [one for one in group.occupants if one in asking and one.role is Role.VISITOR]

    def decide(self, group: Group, bare: str, allowed: bool) -> bool:
        """Gives somebody voice who has asked for it, or not. Returns whether anybody has."""
        asking = [occupant for occupant in self.waiting(group) if occupant.bare == bare]
        for occupant in asking:
            self._decide(group, occupant, allowed)
        return bool(asking)

    def _decide(self, group: Group, occupant: Occupant, allowed: bool) -> None:
        self._asking.get(group, set()).discard(occupant)
        if allowed and occupant.role is Role.VISITOR:
            occupant.role = Role.PARTICIPANT
            self._groups.presence.announce(group, occupant, was=Role.VISITOR)
