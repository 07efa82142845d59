"""What Kith's own clients ask of groups, beyond XEP-0045 (docs/protocol.md, Groups).

One request makes a group of many people, tells everything about it, or gives the keys of all its members.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import msgspec

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.core.actors.account import Session
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.groups.adding import Adding
from kith.groups.config import ADMINS, MEMBERS, Config
from kith.groups.configuration import LONGEST, MAX_EXPIRE
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.names import GROUPS
from kith.groups.nicknames import free_nick
from kith.groups.service import GroupService
from kith.groups.state import summary, whole
from kith.ports.store import MEMBERSHIPS, DocumentStore
from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_GROUP, _CREATE, _ADD, _MEMBER, _REFUSED = (
    ns.tag(GROUPS, name) for name in ("group", "create", "add", "member", "refused")
)
_GROUPS = ns.tag(GROUPS, "groups")
_SETTINGS = ns.tag(GROUPS, "settings")
_Children = Sequence[Element]


class GroupClients(Feature):
    """Answers requests in Kith's namespace for groups."""

    service = "groups"

    def __init__(
        self, domain: Domain, clock: Clock, store: DocumentStore, groups: GroupService, adding: Adding
    ) -> None:
        self._domain = domain
        self._clock = clock
        self._store = store
        self._service = groups
        self._adding = adding

    # -- reading ----------------------------------------------------------------------------------------

    @handles_iq("get", GROUPS, "groups", to="own")
    async def groups(self, session: Session, iq: Stanza, to: JID) -> _Children:
        """All groups that an account is a member of."""
        result = Element(_GROUPS)
        for document in await self._store.documents(session.account.id, MEMBERSHIPS):
            group = await self._service.groups.load(document.key)
            member = group.members.get(session.bare) if group is not None else None
            if group is not None and member is not None:
                found = summary(group, session.bare)
                if not member.belongs:
                    found.set("invited", "true")
                result.append(found)
        return (result,)

    @handles_iq("get", GROUPS, "group", to="place")
    async def state(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """Everything about a group, for those who may enter it."""
        group = await self._service.load(to, sender)
        affiliation = group.members.affiliation(sender.bare)
        if affiliation is Affiliation.OUTCAST or (
            affiliation is Affiliation.NONE and group.config.members_only
        ):
            raise StanzaError("forbidden", "only members see this")
        request = iq.child(_GROUP)
        assert request is not None
        try:
            since = natural(request.get("since", "0"))
        except ValueError:
            raise StanzaError("bad-request", "since is a number") from None
        return (whole(group, sender.bare, since),)

    @handles_iq("get", GROUPS, "receipts", to="place")
    async def receipts(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """Who has received and read a message, for its author."""
        group = await self._service.load(to, sender)
        request = iq.child(ns.tag(GROUPS, "receipts"))
        assert request is not None
        if group.config.anonymous or not group.members.affiliation(sender.bare) >= Affiliation.MEMBER:
            raise StanzaError("forbidden", "only members see this")
        try:
            return (await self._service.receipts.of(group, sender.bare, request.get("id", "")),)
        except ValueError:
            raise StanzaError("item-not-found") from None

    # -- making -----------------------------------------------------------------------------------------

    @handles_iq("set", GROUPS, "create", to="service")
    async def create(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """Makes a group with members. The same request again, with the same ``id``, makes it once."""
        if sender.account is None or not self._service.may_create:
            raise StanzaError("not-allowed", "you may not create groups")
        request = iq.child(_CREATE)
        assert request is not None
        id = request.get("id", "")
        if not 16 <= len(id) <= 100:
            raise StanzaError("bad-request", "id is a random text of 16 to 100 characters")
        config = _changed(Config(), request)
        name = hashlib.sha256(f"{sender.account.id}\0{id}".encode()).hexdigest()[:24]
        address = parse_jid(f"{name}@{to.domain}")
        people = [parse_jid(element.get("jid", "")).to_bare() for element in _members(request)]
        owner = await self._owner(sender, sender.account.id, address)
        refused = await self._service.turn(
            address.bare, lambda: self._create(sender, address, config, owner, people)
        )
        result = Element(_CREATE, {"jid": address.bare})
        result.extend(refused)
        return (result,)

    async def _owner(self, sender: Sender, account: int, group: JID) -> Member:
        now = int(self._clock.now() * 1000)
        nick = await self._adding.name(sender.jid.to_bare(), account, group.bare) or sender.jid.local
        return Member(sender.bare, Affiliation.OWNER, account, nick, now, 1, sender.bare)

    async def _create(
        self, sender: Sender, address: JID, config: Config, owner: Member, people: Sequence[JID]
    ) -> list[Element]:
        group = await self._service.groups.load(address.bare)
        if group is None:
            self._service.rates.take("creation", "", sender.bare)
            group = await self._service.groups.create(address.bare, config, owner, locked=False)
        if group is None:
            group = await self._service.load(address)
        return await self._add(group, sender, people)

    @handles_iq("set", GROUPS, "add", to="place")
    async def add(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """Adds people to a group. Those who can't be added are named, and the others are added."""
        request = iq.child(_ADD)
        assert request is not None
        people = [parse_jid(element.get("jid", "")).to_bare() for element in _members(request)]
        result = Element(_ADD)
        result.extend(await self._service.in_turn(to, lambda group: self._add(group, sender, people), sender))
        return (result,)

    async def _add(self, group: Group, sender: Sender, people: Sequence[JID]) -> list[Element]:
        """Adds people, and returns an element for each who can't be."""
        refused: list[Element] = []
        new: list[Member] = []
        author = self._service.messages.author_of(group, sender)
        for jid in dict.fromkeys(people):
            if group.members.affiliation(jid.bare) >= Affiliation.MEMBER:
                continue
            try:
                new.append(await self._adding.member(group, author, jid, [member.nick for member in new]))
            except StanzaError as error:
                refused.append(Element(_REFUSED, {"jid": jid.bare, "condition": error.condition}))
        self._service.administration.check_limits(group, {member.jid: member for member in new})
        if new and author is not None:
            self._service.rates.take("change", group.jid, sender.bare)
            await self._service.changes.members(group, sender.bare, new, author.nick)
        return refused

    # -- changing ---------------------------------------------------------------------------------------

    @handles_iq("set", GROUPS, "group", to="place")
    async def change(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """Changes the name, the description or the settings of a group."""
        request = iq.child(_GROUP)
        assert request is not None
        await self._service.in_turn(to, lambda group: self._change(group, sender, request), sender)
        return ()

    async def _change(self, group: Group, sender: Sender, request: Element) -> None:
        affiliation = group.members.rights(sender.bare)
        admin = affiliation >= Affiliation.ADMIN
        if affiliation < Affiliation.MEMBER or not (admin or group.config.change == MEMBERS):
            raise StanzaError("forbidden", "only admins change this group")
        if request.find(_SETTINGS) is not None and not admin:
            raise StanzaError("forbidden", "only admins change the settings")
        self._service.rates.take("change", group.jid, sender.bare)
        await self._service.changes.configure(group, sender.bare, _changed(group.config, request))

    @handles_iq("set", GROUPS, "accept", to="place")
    async def accept(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """Who was invited belongs to the group from now on."""
        await self._service.in_turn(to, lambda group: self._service.accept(group, sender), sender)
        return ()

    @handles_iq("set", GROUPS, "nick", to="place")
    async def nick(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """Changes the nickname that a member has in a group; the answer says what it is then."""
        request = iq.child(ns.tag(GROUPS, "nick"))
        assert request is not None
        result = Element(ns.tag(GROUPS, "nick"))
        wanted = (request.text or "").strip()
        result.text = await self._service.in_turn(
            to, lambda group: self._rename(group, sender, wanted), sender
        )
        return (result,)

    async def _rename(self, group: Group, sender: Sender, wanted: str) -> str:
        member = group.members.get(sender.bare)
        if member is None or not member.belongs:
            raise StanzaError("forbidden", "only members have nicknames")
        nick = free_nick(group, wanted, sender.bare, set())
        if nick != member.nick:
            self._service.rates.take("change", group.jid, sender.bare)
            renamed = msgspec.structs.replace(member, nick=nick)
            await self._service.changes.members(group, sender.bare, [renamed], nick)
        return nick

    # -- whom one knows ---------------------------------------------------------------------------------

    async def acquainted(self, account: JID, other: str) -> bool:
        """People in the same group know each other while both are members."""
        found = await self._service.accounts.id_of(account)
        if found is None:
            return False
        for document in await self._store.documents(found, MEMBERSHIPS):
            group = await self._service.groups.load(document.key)
            if group is None or group.config.anonymous:
                continue
            both = (group.members.get(account.bare), group.members.get(other))
            if all(member is not None and member.belongs for member in both):
                return True
        return False


def _members(request: Element) -> Sequence[Element]:
    """The people that a request names. Raises StanzaError if there are too many, or one is no address."""
    found = request.findall(_MEMBER)
    if len(found) > 1024:
        raise StanzaError("bad-request", "at most 1024 people")
    try:
        for element in found:
            parse_jid(element.get("jid", ""))
    except ValueError:
        raise StanzaError("jid-malformed") from None
    return found


def _changed(config: Config, request: Element) -> Config:
    """The configuration as a request changes it. Raises StanzaError."""
    new: dict[str, object] = {}
    for name in ("name", "description"):
        text = request.findtext(ns.tag(GROUPS, name))
        if text is not None:
            if len(text) > LONGEST[name]:
                raise StanzaError("not-acceptable", f"the {name} has at most {LONGEST[name]} characters")
            new[name] = text.strip()
    settings = request.find(_SETTINGS)
    for name, value in settings.attrib.items() if settings is not None else ():
        if name in ("announce", "history", "approve") and value in ("true", "false"):
            new[name] = value == "true"
        elif name in ("invite", "change") and value in (MEMBERS, ADMINS):
            new[name] = value
        elif name == "expire" and value.isascii() and value.isdecimal() and int(value) <= MAX_EXPIRE:
            new[name] = int(value)
        else:
            raise StanzaError("not-acceptable", f"no such setting: {name}='{value}'")
    return msgspec.structs.replace(config, **new)
