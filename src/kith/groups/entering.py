"""Entering and leaving a group as a room, and changing the nickname (XEP-0045 §7.1 to §7.3, §7.6, §7.14)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

import msgspec

from kith.base.clock import Clock
from kith.base.ids import first_at, parse_stamp, stamp_of
from kith.core.log.own import with_own
from kith.core.routing.post import Post
from kith.groups.changes import Changes
from kith.groups.config import Config
from kith.groups.group import Group
from kith.groups.groups import Groups
from kith.groups.members import Affiliation, Member
from kith.groups.names import ITEM, JOIN, MUC, STATUS, USER
from kith.groups.occupants import Occupant, Role
from kith.groups.posting import addressed
from kith.groups.presence import Departure, RoomPresence, passed_on
from kith.ports.store import LogQuery, LogStore
from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

_HISTORY = ns.tag(MUC, "history")
_PASSWORD = ns.tag(MUC, "password")
_SUBJECT = ns.tag(ns.CLIENT, "subject")
#: How many messages of the archive a client gets when it enters, unless it asks for fewer or more.
_DEFAULT_HISTORY, _MAX_HISTORY = 20, 250
#: How many occupants a group has at most, if its configuration sets no lower limit.
MAX_OCCUPANTS = 5000


class Entering:
    """Handles presence that is sent to groups."""

    def __init__(
        self,
        store: LogStore,
        clock: Clock,
        groups: Groups,
        post: Post,
        presence: RoomPresence,
        changes: Changes,
        may_create: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._groups = groups
        self._post = post
        self._presence = presence
        self._changes = changes
        self._may_create = may_create

    async def available(self, sender: JID, account: int, stanza: Stanza, to: JID) -> None:
        """Handles available presence: entering, another nickname, or new presence of an occupant.

        ``account``: the id of the sender's account, 0 if it is on another server. Raises StanzaError.
        """
        group = await self._groups.load(to.bare)
        created = False
        if group is None:
            if not to.resource:
                raise StanzaError("jid-malformed", "a nickname is missing")
            group = await self._create(sender, account, stanza, to)
            created = True
        occupant = group.occupants.of(str(sender))
        if occupant is None:
            if JOIN not in stanza.children:
                self._not_inside(group, sender, to)
                return
            await self._enter(group, sender, stanza, to.resource, created)
        elif JOIN in stanza.children and (not to.resource or to.resource == occupant.nick):
            await self._enter_again(group, occupant, sender, stanza)
        elif to.resource and to.resource != occupant.nick:
            self._rename(group, occupant, sender, to.resource, stanza)
        else:
            group.occupants.enter(occupant, sender, passed_on(stanza))
            self._presence.announce(group, occupant)

    async def unavailable(self, sender: JID, stanza: Stanza, to: JID) -> None:
        """Handles unavailable presence: an occupant leaves."""
        group = self._groups.get(to.bare)
        if group is None:
            return
        occupant = group.occupants.of(str(sender))
        if occupant is None:
            return
        status = [child for child in stanza.element if child.tag == ns.tag(ns.CLIENT, "status")]
        self.leave(group, sender, Departure(), status)

    def leave(self, group: Group, client: JID, why: Departure, status: Sequence[Element] = ()) -> None:
        """Removes a client of an occupant, and tells all if that was its last one."""
        occupant = group.occupants.leave(str(client))
        if occupant is None:
            return
        self._presence.gone(group, occupant, [client], why, status)
        if not group.config.persistent and not len(group.occupants):
            self._groups.drop(group)

    def lost(self, group: Group, client: JID) -> None:
        """A client can't be reached any more (XEP-0045 §7.14)."""
        self.leave(group, client, Departure(333))

    # -- entering -----------------------------------------------------------------------------------

    async def _create(self, sender: JID, account: int, stanza: Stanza, to: JID) -> Group:
        """Creates the group that somebody enters who is the first (XEP-0045 §10.1). Raises StanzaError."""
        if JOIN not in stanza.children:
            raise StanzaError("item-not-found")
        if not self._may_create or not account:
            raise StanzaError("not-allowed", "only accounts of this server may create groups")
        now = int(self._clock.now() * 1000)
        owner = Member(sender.bare, Affiliation.OWNER, account, to.resource, now, 1, sender.bare)
        group = await self._groups.create(to.bare, Config(), owner, locked=True)
        if group is None:  # somebody else was faster
            group = await self._groups.load(to.bare)
        if group is None:
            raise StanzaError("item-not-found")
        return group

    async def _enter(self, group: Group, sender: JID, stanza: Stanza, nick: str, created: bool) -> None:
        self._check(group, sender, stanza, nick)
        await self.accept(group, sender, nick)
        role = group.role_of(group.members.affiliation(sender.bare))
        occupant = group.occupants.get(nick) or Occupant(nick, sender.bare, role)
        history = await self._history(group, sender, stanza)
        group.occupants.enter(occupant, sender, passed_on(stanza))
        self._presence.show_all(group, occupant, sender)
        codes = [code for code, applies in ((100, not group.config.anonymous), (201, created)) if applies]
        if len(occupant.clients) == 1:
            self._presence.announce(group, occupant, codes)
        else:
            self._presence.show(group, occupant, occupant, sender, (110, *codes))
        self._send_history(group, sender, history)

    async def _enter_again(self, group: Group, occupant: Occupant, sender: JID, stanza: Stanza) -> None:
        """A client that has lost its state enters: it gets everything as if it had not been there."""
        history = await self._history(group, sender, stanza)
        group.occupants.enter(occupant, sender, passed_on(stanza))
        self._presence.show_all(group, occupant, sender)
        codes = (110,) if group.config.anonymous else (110, 100)
        self._presence.show(group, occupant, occupant, sender, codes)
        self._send_history(group, sender, history)

    async def accept(self, group: Group, sender: JID, nick: str) -> None:
        """Who was only invited belongs to the group from now on."""
        member = group.members.get(sender.bare)
        if member is not None and member.pending:
            accepted = msgspec.structs.replace(member, pending=False)
            await self._changes.members(group, sender.bare, [accepted], nick)

    def _check(self, group: Group, sender: JID, stanza: Stanza, nick: str) -> None:
        """Whether somebody may enter under a nickname (XEP-0045 §7.2). Raises StanzaError."""
        affiliation = group.members.affiliation(sender.bare)
        if not nick:
            raise StanzaError("jid-malformed", "a nickname is missing")
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
        self._check_nick(group, sender, nick)
        limit = group.config.max_occupants or MAX_OCCUPANTS
        if len(group.occupants) >= limit and affiliation < Affiliation.ADMIN:
            raise StanzaError("service-unavailable", "the group has too many occupants", type="wait")

    def _check_nick(self, group: Group, sender: JID, nick: str) -> None:
        """Whether a person may use a nickname. Raises StanzaError."""
        occupant = group.occupants.get(nick)
        owner = group.members.with_nick(nick)
        if (occupant is not None and occupant.bare != sender.bare) or owner not in (None, sender.bare):
            raise StanzaError("conflict", "the nickname is in use")

    def _rename(self, group: Group, occupant: Occupant, sender: JID, nick: str, stanza: Stanza) -> None:
        """Changes the nickname of an occupant, for all its clients (XEP-0045 §7.6)."""
        self._check_nick(group, sender, nick)
        if group.occupants.get(nick) is not None:
            raise StanzaError("conflict", "you use the nickname with another client")
        if occupant.role is Role.VISITOR:
            raise StanzaError("not-allowed", "visitors keep their nicknames")
        clients = [jid for jid, _ in occupant.clients.values()]
        self._presence.gone(group, occupant, clients, Departure(303, nick=nick))
        group.occupants.rename(occupant, nick)
        group.occupants.enter(occupant, sender, passed_on(stanza))
        self._presence.announce(group, occupant)

    def _not_inside(self, group: Group, sender: JID, to: JID) -> None:
        """Tells a client that it is not in the group any more, as after a restart of the server."""
        user = Element(USER)
        user.append(Element(ITEM, {"affiliation": "none", "role": "none"}))
        user.extend(Element(STATUS, {"code": code}) for code in ("110", "333"))
        attrs = {"type": "unavailable", "from": str(to), "to": str(sender)}
        self._post.route(Stanza.build("presence", attrs, user), to, sender)

    # -- history --------------------------------------------------------------------------------------

    async def _history(self, group: Group, sender: JID, stanza: Stanza) -> list[bytes]:
        """The last messages, as the client asks for (XEP-0045 §7.2.13), and then the subject."""
        element = stanza.element.find(f"{JOIN}/{_HISTORY}")
        wanted = element.attrib if element is not None else {}
        try:
            limit = natural(wanted["maxstanzas"]) if "maxstanzas" in wanted else _DEFAULT_HISTORY
            characters = natural(wanted["maxchars"]) if "maxchars" in wanted else None
            after = first_at(parse_stamp(wanted["since"])) - 1 if "since" in wanted else 0
            if "seconds" in wanted:
                since = datetime.fromtimestamp(self._clock.now() - natural(wanted["seconds"]), UTC)
                after = max(after, first_at(since) - 1)
        except (ValueError, OverflowError):
            raise StanzaError("bad-request", "the history that is asked for") from None
        found: list[bytes] = []
        if limit and characters != 0:
            await self._store.flush()
            query = self.visible(group, sender.bare)
            if query is not None:
                page = await self._store.page(
                    LogQuery(
                        query.account,
                        query.peer,
                        after=after,
                        limit=min(limit, _MAX_HISTORY),
                        backwards=True,
                        shared=query.shared,
                    )
                )
                end = len(b"</message>")
                by = escape_attribute(group.jid)
                for entry in page.entries:
                    data = with_own(entry.stanza, entry.own)
                    if b"<body" not in data and b"<encrypted" not in data:
                        continue
                    delay = f"<delay xmlns='{ns.DELAY}' from='{by}' stamp='{stamp_of(entry.id)}'/></message>"
                    found.append(data[:-end] + delay.encode())
        while characters is not None and found and sum(map(len, found)) > characters:
            del found[0]
        return found

    def visible(self, group: Group, bare: str) -> LogQuery | None:
        """A query for what somebody may read of a group's archive; None: nothing."""
        account = group.members.recipients.get(bare)
        if group.config.is_open_archive:
            return LogQuery(group.id)
        if account is not None:
            return LogQuery(account, group.jid, shared=True)
        member = group.members.get(bare)
        if member is not None and member.belongs:
            return LogQuery(group.id, after=first_at(datetime.fromtimestamp(member.since / 1000, UTC)))
        return None

    def _send_history(self, group: Group, client: JID, history: Sequence[bytes]) -> None:
        for stored in history:
            stanza = Stanza.from_bytes(addressed(stored, str(client)))
            self._post.route(stanza, group.address, client)
        state = group.state
        subject = Element(_SUBJECT)
        subject.text = state.subject
        at = group.at(state.subject_by) if state.subject_by else group.address
        attrs = {"type": "groupchat", "from": str(at), "to": str(client)}
        self._post.route(Stanza.build("message", attrs, subject), group.address, client)
