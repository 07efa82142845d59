"""Entering and leaving a group as a room, and changing the nickname (XEP-0045 §7.1 to §7.3, §7.6, §7.14)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from xml.etree.ElementTree import Element

import msgspec

from kith.base.clock import Clock
from kith.core.routing.post import Post
from kith.groups.changes import Changes
from kith.groups.config import Config
from kith.groups.group import Group
from kith.groups.groups import Groups
from kith.groups.history import History
from kith.groups.members import Affiliation, Member
from kith.groups.names import ITEM, JOIN, MUC, STATUS, USER
from kith.groups.nicknames import acceptable
from kith.groups.occupants import Occupant
from kith.groups.presence import Departure, RoomPresence, passed_on
from kith.groups.rates import Rates
from kith.groups.versions import Versions
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_PASSWORD = ns.tag(MUC, "password")
_STATUS = ns.tag(ns.CLIENT, "status")
_ERROR = ns.tag(ns.CLIENT, "error")
_UNREACHABLE = frozenset(
    ns.tag(ns.STANZA_ERRORS, condition)
    for condition in (
        *("gone", "internal-server-error", "item-not-found", "jid-malformed", "recipient-unavailable"),
        *("redirect", "remote-server-not-found", "remote-server-timeout", "service-unavailable"),
    )
)
#: How many occupants a group has at most, if its configuration sets no lower limit, and how many more
#: admins may enter (XEP-0045 §7.2.9).
MAX_OCCUPANTS, _MORE_ADMINS = 5000, 20
#: How many nicknames one person may use at the same time, and how many clients with one nickname.
_MAX_NICKS, _MAX_CLIENTS = 5, 20


class Entering:
    """Handles presence that is sent to groups."""

    def __init__(
        self,
        clock: Clock,
        groups: Groups,
        post: Post,
        presence: RoomPresence,
        changes: Changes,
        history: History,
        rates: Rates,
        versions: Versions,
        may_create: bool,
    ) -> None:
        self._clock = clock
        self._groups = groups
        self._post = post
        self._presence = presence
        #: Makes a member of somebody who enters with a password that is a link; set by `GroupLinks`.
        self.let_in: Callable[[Group, JID, str], Awaitable[None]] | None = None
        self._changes = changes
        self._history = history
        self._rates = rates
        self._versions = versions
        self._may_create = may_create

    async def available(self, sender: JID, account: int, stanza: Stanza, to: JID) -> None:
        """Handles available presence: entering, another nickname, or new presence of an occupant.

        ``account``: the id of the sender's account, 0 if it is on another server. Raises StanzaError.
        """
        group = await self._groups.load(to.bare)
        created = False
        if group is None:
            if JOIN not in stanza.children:
                raise StanzaError("item-not-found")
            if not to.resource:
                raise StanzaError("jid-malformed", "a nickname is missing")
            self._rates.take("presence", "", sender.bare)
            group, created = await self._create(sender, account, to)
        occupant = group.occupants.of(str(sender))
        if occupant is None:
            if JOIN not in stanza.children:
                self._not_inside(group, sender, to)
                return
            if not to.resource:
                raise StanzaError("jid-malformed", "a nickname is missing")
            await self._enter(group, sender, stanza, to.resource, created)
            return
        self._rates.take("presence", group.jid, sender.bare)
        if to.resource and acceptable(to.resource) != occupant.nick:
            self._rename(group, occupant, sender, to.resource, stanza)
        elif JOIN in stanza.children:
            await self._enter_again(group, occupant, sender, stanza)
        else:
            group.occupants.enter(occupant, sender, passed_on(stanza))
            self._presence.announce(group, occupant)

    async def unavailable(self, sender: JID, stanza: Stanza, to: JID) -> None:
        """Handles unavailable presence, and errors that say that a client can't be reached."""
        group = self._groups.get(to.bare)
        if group is None or group.occupants.of(str(sender)) is None:
            return
        if stanza.type == "error":
            if is_unreachable(stanza):
                self.lost(group, sender)
            return
        status = [child for child in passed_on(stanza) if child.tag == _STATUS]
        self.leave(group, sender, Departure(), status)

    def leave(self, group: Group, client: JID, why: Departure, status: Sequence[Element] = ()) -> None:
        """Removes a client of an occupant, and tells all if that was its last one."""
        occupant = group.occupants.leave(str(client))
        if occupant is not None:
            self._presence.gone(group, occupant, [client], why, status)

    def lost(self, group: Group, client: JID) -> None:
        """A client can't be reached any more (XEP-0045 §11.1)."""
        self.leave(group, client, Departure(333))

    # -- entering -----------------------------------------------------------------------------------

    async def _create(self, sender: JID, account: int, to: JID) -> tuple[Group, bool]:
        """Creates the group that somebody enters who is the first (XEP-0045 §10.1). Raises StanzaError."""
        if not self._may_create or not account:
            raise StanzaError("not-allowed", "only accounts of this server may create groups")
        self._rates.take("creation", "", sender.bare)
        now = int(self._clock.now() * 1000)
        nick = acceptable(to.resource)
        owner = Member(sender.bare, Affiliation.OWNER, account, nick, now, 1, sender.bare)
        group = await self._groups.create(to.bare, Config(), owner, locked=True)
        created = group is not None
        if group is None:  # somebody else was faster
            group = await self._groups.load(to.bare)
        if group is None:
            raise StanzaError("item-not-found")
        return group, created

    async def _enter(self, group: Group, sender: JID, stanza: Stanza, wanted: str, created: bool) -> None:
        nick = acceptable(wanted)
        if self.let_in is not None and group.config.members_only:
            join = stanza.child(JOIN)
            await self.let_in(group, sender, (join.findtext(_PASSWORD) if join is not None else "") or "")
        self._check(group, sender, stanza, nick)
        await self.accept(group, sender, nick)
        role = group.role_of(group.members.affiliation(sender.bare))
        history = await self._history.read(group, sender.bare, stanza)
        occupant = group.occupants.get(nick) or Occupant(nick, sender.bare, role)
        group.occupants.enter(occupant, sender, passed_on(stanza))
        version = self._versions.begin(group, sender, stanza)
        self._presence.card(group, sender)
        self._presence.show_all(group, occupant, sender)
        self._introduce(group, sender, history)
        codes = _codes(group, 201 if created else 0, 210 if nick != wanted else 0)
        if len(occupant.clients) == 1:
            self._presence.announce(group, occupant, codes, stanza.id, sender, version=version)
        else:
            self._presence.show(group, occupant, occupant, sender, (110, *codes), stanza.id, version)
        self._history.send(group, sender, history)

    def _introduce(self, group: Group, client: JID, history: Sequence[bytes]) -> None:
        """Shows a client the members who have written what it gets, and are not there."""
        if group.config.anonymous:
            return
        authors = {
            parse_jid(Stanza.from_bytes(said).attrs.get("from", group.jid)).resource for said in history
        }
        for nick in sorted(authors - {""}):
            bare = group.members.with_nick(nick)
            if bare is not None and group.occupants.get(nick) is None:
                self._presence.introduce(group, nick, bare, client)

    async def _enter_again(self, group: Group, occupant: Occupant, sender: JID, stanza: Stanza) -> None:
        """A client that has lost its state enters: it gets everything as if it had not been there."""
        history = await self._history.read(group, sender.bare, stanza)
        group.occupants.enter(occupant, sender, passed_on(stanza))
        version = self._versions.begin(group, sender, stanza)
        self._presence.card(group, sender)
        self._presence.show_all(group, occupant, sender)
        group.occupants.introduced.pop(str(sender), None)
        self._introduce(group, sender, history)
        self._presence.show(group, occupant, occupant, sender, (110, *_codes(group)), stanza.id, version)
        self._history.send(group, sender, history)

    async def accept(self, group: Group, sender: JID, nick: str) -> None:
        """Who was only invited belongs to the group from now on."""
        member = group.members.get(sender.bare)
        if member is not None and member.pending:
            accepted = msgspec.structs.replace(member, pending=False)
            await self._changes.members(group, sender.bare, [accepted], nick)

    def _check(self, group: Group, sender: JID, stanza: Stanza, nick: str) -> None:
        """Whether somebody may enter under a nickname (XEP-0045 §7.2). Raises StanzaError."""
        affiliation = group.members.affiliation(sender.bare)
        if affiliation is Affiliation.OUTCAST:
            raise StanzaError("forbidden", "you are banned from this group")
        if group.state.locked and affiliation is not Affiliation.OWNER:
            raise StanzaError("item-not-found", "the group is not ready yet")
        if group.config.members_only and affiliation is Affiliation.NONE:
            raise StanzaError("registration-required", "only members may enter")
        join_element = stanza.child(JOIN)
        password = join_element.findtext(_PASSWORD) if join_element is not None else None
        if group.config.password and password != group.config.password and affiliation < Affiliation.OWNER:
            raise StanzaError("not-authorized", "the password is wrong or missing")
        self._rates.take("presence", group.jid, sender.bare)
        self._check_nick(group, sender, nick)
        occupant = group.occupants.get(nick)
        if occupant is not None:
            if len(occupant.clients) >= _MAX_CLIENTS:
                raise StanzaError("resource-constraint", "you are here with too many clients")
            return
        if len(group.occupants.of_person(sender.bare)) >= _MAX_NICKS:
            raise StanzaError("resource-constraint", "you are here with too many nicknames")
        limit = group.config.max_occupants or MAX_OCCUPANTS
        if affiliation >= Affiliation.ADMIN:
            limit += _MORE_ADMINS
        if len(group.occupants) >= limit:
            raise StanzaError("service-unavailable", "the group has too many occupants", type="wait")

    def _check_nick(self, group: Group, sender: JID, nick: str) -> None:
        """Whether a person may use a nickname. Raises StanzaError."""
        occupant = group.occupants.get(nick)
        owner = group.members.with_nick(nick)
        if (occupant is not None and occupant.bare != sender.bare) or owner not in (None, sender.bare):
            raise StanzaError("conflict", "the nickname is in use")

    def _rename(self, group: Group, occupant: Occupant, sender: JID, wanted: str, stanza: Stanza) -> None:
        """Changes the nickname of an occupant, for all its clients (XEP-0045 §7.6)."""
        nick = acceptable(wanted)
        self._check_nick(group, sender, nick)
        if group.occupants.get(nick) is not None:
            raise StanzaError("conflict", "you use the nickname with another client")
        clients = [jid for jid, _ in occupant.clients.values()]
        self._presence.gone(group, occupant, clients, Departure(303, nick=nick))
        group.occupants.rename(occupant, nick)
        group.occupants.enter(occupant, sender, passed_on(stanza))
        self._presence.announce(group, occupant, (210,) if nick != wanted else (), stanza.id, sender)

    def _not_inside(self, group: Group, sender: JID, to: JID) -> None:
        """Tells a client that it is not in the group any more, as after a restart of the server.

        XEP-0045 §7.2.17.
        """
        user = Element(USER)
        user.append(Element(ITEM, {"affiliation": "none", "role": "none"}))
        user.extend(Element(STATUS, {"code": code}) for code in ("110", "307", "333"))
        attrs = {"type": "unavailable", "from": str(to), "to": str(sender)}
        self._post.route(Stanza.build("presence", attrs, user), to, sender)


def is_unreachable(error: Stanza) -> bool:
    """Whether an error says that a client is not there any more, not only that it does not like something.

    Presence to a server that can't be reached comes back with one of these (RFC 6120 §8.3.3).
    """
    element = error.element.find(_ERROR)
    return element is None or any(child.tag in _UNREACHABLE for child in element)


def _codes(group: Group, *more: int) -> list[int]:
    """The status codes for somebody who enters, beside the one that says that the presence is their own."""
    codes = [100] if not group.config.anonymous else []
    if group.config.is_logged:
        codes.append(170)
    return [*codes, *(code for code in more if code)]
