"""Changes of a group: its members, its configuration, its end. Each is one commit with a notice about it.

The notice is a message of the group, in the order of all others, so every device learns in this order who is
a member (docs/protocol.md). Occupants get presence as XEP-0045 says (§9 and §10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.base.clock import Clock
from kith.core.log.envelope import stanza_id
from kith.groups.config import Config
from kith.groups.group import Group, State
from kith.groups.groups import (
    Groups,
    config_write,
    member_writes,
    memberships,
    state_write,
)
from kith.groups.index import entry_of, index_write
from kith.groups.members import Affiliation, Member
from kith.groups.names import CHANGE, GROUPS, MUC_OWNER, MUC_USER, STATUS, USER
from kith.groups.occupants import Occupant, Role
from kith.groups.posting import Poster
from kith.groups.presence import Departure, RoomPresence
from kith.groups.state import changed_settings
from kith.groups.versions import Versions
from kith.ports.store import MEMBERSHIPS, Store, Write
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.ns import tag
from kith.wire.serialize import attributes, serialize
from kith.wire.stanza import Stanza


class Changes:
    """Applies changes. The caller holds the group's turn and has checked who may do it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        groups: Groups,
        poster: Poster,
        presence: RoomPresence,
        versions: Versions,
    ) -> None:
        self._versions = versions
        self._store = store
        self._clock = clock
        self._groups = groups
        self._poster = poster
        self._presence = presence
        #: Called after each change of members with the group, the members as they are now, and as they were.
        self.listeners: list[Callable[[Group, Sequence[Member], Sequence[Member]], None]] = []
        #: Called after a group was configured or destroyed.
        self.configured: list[Callable[[Group], None]] = []

    async def members(
        self,
        group: Group,
        by: str,
        changed: Sequence[Member],
        nick: str = "",
        tell_leaving: bool = True,
    ) -> None:
        """Changes affiliations. ``by``: the bare address of who does it; ``nick``: the nickname.

        ``tell_leaving``: those who leave learn of it, as long as they have an account.

        The number, time and author of each are set here.
        """
        number, now = group.state.number + 1, int(self._clock.now() * 1000)
        before = [group.members.get(member.jid) or _nobody(member) for member in changed]
        new = [
            msgspec.structs.replace(
                member,
                number=number,
                by=by,
                since=was.since if was.belongs and member.belongs else now,
            )
            for member, was in zip(changed, before, strict=True)
        ]
        change = Element(CHANGE, {"by": by, "number": str(number)})
        for member, was in zip(new, before, strict=True):
            attrs = {"jid": member.jid, "affiliation": member.affiliation.word, "was": was.affiliation.word}
            if member.nick:
                attrs["nick"] = member.nick
            if member.affiliation >= Affiliation.MEMBER and not member.belongs:
                attrs["invited"] = "true"
            SubElement(change, tag(GROUPS, "member"), attrs)
        left = any(
            (was.belongs and not member.belongs)
            or (member.affiliation is Affiliation.NONE is not was.affiliation)
            for member, was in zip(new, before, strict=True)
        )
        state = msgspec.structs.replace(
            group.state, number=number, removed=number if left else group.state.removed
        )
        # who leaves still learns of it, and who comes learns of it as well
        recipients = group.members.recipients | {
            member.jid: member.account for member in new if member.account and member.belongs
        }
        writes = [state_write(group, state), *member_writes(group, new), *memberships(group.jid, new)]
        if not tell_leaving:
            gone = {member.jid for member in new if not member.belongs}
            recipients = {jid: account for jid, account in recipients.items() if jid not in gone}
            writes = [write for write in writes if write.space != MEMBERSHIPS or write.value is not None]
        ended = [
            was.account for member, was in zip(new, before, strict=True) if was.belongs and not member.belongs
        ]
        await self.tell(group, by, change, writes, recipients, ended=ended)
        for member in new:
            group.members.put(member)
        group.state = state
        for member, was in zip(new, before, strict=True):
            self._apply(group, member, was, nick)
        self._versions.changed(group, new, number - 1)
        for listener in self.listeners:
            listener(group, new, before)

    async def moved(self, group: Group, old: str, new: str) -> None:
        """A member has another address now, and keeps everything else. Can be repeated."""
        was = group.members.get(old)
        if was is None:
            return
        number = group.state.number + 1
        member = msgspec.structs.replace(was, jid=new, number=number, by=new)
        change = Element(CHANGE, {"by": new, "number": str(number)})
        attrs = {"jid": new, "affiliation": was.affiliation.word, "was": was.affiliation.word, "moved": old}
        SubElement(change, tag(GROUPS, "member"), attrs)
        state = msgspec.structs.replace(group.state, number=number, removed=number)
        recipients = {
            (new if jid == old else jid): account for jid, account in group.members.recipients.items()
        }
        gone = Member(old, Affiliation.NONE, 0)
        writes = [state_write(group, state), *member_writes(group, [gone, member])]
        await self.tell(group, new, change, writes, recipients)
        group.members.drop(old)
        group.members.put(member)
        group.state = state
        self._versions.changed(group, [gone, member], number - 1)

    def _apply(self, group: Group, member: Member, was: Member, actor: str) -> None:
        """Changes what occupants may do, as far as that follows from a new affiliation."""
        there = group.occupants.of_person(member.jid)
        if was.nick and (was.nick != member.nick or not member.belongs):
            self._presence.withdraw(group, was.nick)
        if not there and was.affiliation is not member.affiliation:
            self._presence.affiliation(group, member)
        for occupant in there:
            affiliation = group.members.affiliation(occupant.bare)  # that of a server is not for its members
            role = group.role_of(affiliation)
            if role is Role.NONE:
                code = 301 if member.affiliation is Affiliation.OUTCAST else 321
                why = Departure(code, affiliation=member.affiliation, actor=actor, reason=member.reason)
                self.remove(group, occupant, why)
            elif was.affiliation is not member.affiliation and occupant.bare == member.jid:
                before, occupant.role = occupant.role, role
                self._presence.announce(group, occupant, was=before)

    def remove(self, group: Group, occupant: Occupant, why: Departure) -> None:
        """Removes an occupant with all its clients, and tells all."""
        clients = [client for client, _ in list(occupant.clients.values())]
        for client in clients:
            group.occupants.leave(str(client))
        self._presence.gone(group, occupant, clients, why)

    async def configure(self, group: Group, by: str, config: Config) -> None:
        """Changes the configuration, and unlocks a group that was just created."""
        was = group.config
        change = Element(CHANGE, {"by": by, "number": str(group.state.number)})
        for name in ("name", "description"):
            if getattr(was, name) != getattr(config, name):
                SubElement(change, tag(GROUPS, name)).text = getattr(config, name)
        settings = changed_settings(was, config)
        if settings or not len(change):
            SubElement(change, tag(GROUPS, "settings"), settings)
        writes = [config_write(group, config)]
        state = group.state
        if state.locked:
            state = msgspec.structs.replace(state, locked=False)
            writes.append(state_write(group, state))
        writes.append(index_write(group.jid, entry_of(config, state.locked)))
        if config != was or state is not group.state:
            await self.tell(group, by, change, writes)
        group.config, group.state = config, state
        self._apply_configuration(group, was)
        for listener in self.configured:
            listener(group)

    async def card(self, group: Group, by: str, space: str, data: bytes | None, avatar: str) -> None:
        """Changes the vCard of a group; ``avatar``: the hash of its picture, or an empty text."""
        writes = [Write(group.id, space, "", data)]
        state = group.state
        change = Element(CHANGE, {"by": by, "number": str(state.number)})
        SubElement(change, tag(GROUPS, "avatar"), {"id": avatar} if avatar else {})
        if avatar != state.avatar:
            state = msgspec.structs.replace(state, avatar=avatar)
            writes.append(state_write(group, state))
        await self.tell(group, by, change, writes)
        group.state = state
        self._tell(group, [104])
        for _, client in list(group.occupants.clients()):
            self._presence.card(group, client, gone=True)

    def _apply_configuration(self, group: Group, was: Config) -> None:
        """Tells occupants what has changed (XEP-0045 §10.2.1), and removes those who may not stay."""
        config = group.config
        if config == was:
            return
        codes = [104]
        if was.anonymous != config.anonymous:
            codes.append(173 if config.anonymous else 172)
        if was.is_logged != config.is_logged:
            codes.append(170 if config.is_logged else 171)
        self._tell(group, codes)
        for occupant in list(group.occupants):
            affiliation = group.members.affiliation(occupant.bare)
            role = group.role_of(affiliation)
            if role is Role.NONE:
                self.remove(group, occupant, Departure(322, affiliation=affiliation))
            elif (was.moderated, was.announce) != (config.moderated, config.announce):
                before, occupant.role = occupant.role, role
                self._presence.announce(group, occupant, was=before)

    def _tell(self, group: Group, codes: Sequence[int]) -> None:
        """Sends status codes to all."""
        user = Element(USER)
        user.extend(Element(STATUS, {"code": str(code)}) for code in codes)
        attrs = {"type": "groupchat", "from": group.jid}
        self._poster.broadcast(group, Stanza.build("message", attrs, user).to_bytes())

    async def destroy(self, group: Group, by: str, request: Element) -> None:
        """Ends a group (XEP-0045 §10.9), as ``<destroy/>`` says. Its members keep what is in their logs."""
        alternate = request.get("jid", "")
        try:
            alternate = parse_jid(alternate).bare if alternate else ""
        except ValueError:
            raise StanzaError("jid-malformed", "the address of the other room") from None
        destroy = Element(tag(MUC_USER, "destroy"), {"jid": alternate} if alternate else {})
        for name in ("reason", "password"):
            if text := (request.findtext(tag(MUC_OWNER, name)) or "")[:1000]:
                SubElement(destroy, tag(MUC_USER, name)).text = text
        change = Element(CHANGE, {"by": by, "number": str(group.state.number + 1)})
        SubElement(change, tag(GROUPS, "destroyed"), {"alternate": alternate} if alternate else {})
        state = State(
            number=group.state.number + 1,
            created=group.state.created,
            creator=group.state.creator,
            destroyed=True,
            alternate=alternate,
        )
        gone = [Member(member.jid, Affiliation.NONE, member.account) for member in group.members]
        writes = [state_write(group, state), *member_writes(group, gone), *memberships(group.jid, gone)]
        writes.append(index_write(group.jid, None))
        await self.tell(group, by, change, writes, ended=group.members.audience)
        before = list(group.members)
        group.state = state
        for member in before:
            group.members.drop(member.jid)
        for occupant in list(group.occupants):
            self.remove(group, occupant, Departure(destroy=destroy, affiliation=Affiliation.NONE))
        self._groups.drop(group)
        for listener in self.listeners:
            listener(group, gone, before)
        for configured in self.configured:
            configured(group)

    async def vanish(self, group: Group) -> None:
        """Ends a temporary group whose last occupant has left, with all that is stored of it."""
        await self.destroy(group, group.jid, Element(tag(MUC_OWNER, "destroy")))
        await self._store.delete_account(group.jid)

    async def tell(
        self,
        group: Group,
        by: str,
        change: Element,
        writes: Sequence[Write],
        recipients: Mapping[str, int] | None = None,
        confined: bool = False,
        ended: Sequence[int] = (),
    ) -> None:
        """Posts a notice with documents: to all members, or to some, given by their account ids.

        ``confined``: nobody else learns of it. ``ended``: the ids of accounts that get nothing more.
        """
        head = attributes({"from": group.jid, "type": "groupchat"}).encode()
        inner = serialize(change)

        def make(id: int) -> bytes:
            return b"<message" + head + b">" + inner + stanza_id(id, group.jid) + b"</message>"

        await self._poster.notice(group, make, by, writes, recipients, confined, ended=ended)


def _nobody(member: Member) -> Member:
    return Member(member.jid, Affiliation.NONE, member.account)
