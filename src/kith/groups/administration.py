"""Affiliations and roles: who may see and change them (XEP-0045 §9 and §10.3 to §10.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.base.domain import Domain
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.groups.adding import Adding, is_person
from kith.groups.changes import Changes
from kith.groups.group import Group
from kith.groups.members import AFFILIATIONS, Affiliation, Member
from kith.groups.messages import Author, Messages
from kith.groups.names import MUC_ADMIN
from kith.groups.nicknames import default_nick, free_nick
from kith.groups.occupants import ROLES, Occupant, Role
from kith.groups.presence import Departure, RoomPresence
from kith.groups.rates import Rates
from kith.groups.rights import check_may_change, may_list
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

QUERY = tag(MUC_ADMIN, "query")
_ITEM, _REASON = tag(MUC_ADMIN, "item"), tag(MUC_ADMIN, "reason")
#: How many affiliations one request changes at most, and how many people a group has at most.
MAX_ITEMS = 1024
MAX_MEMBERS = 1024
MAX_OUTCASTS = 1024


class Administration:
    """Answers requests in the namespace ``muc#admin``."""

    def __init__(
        self,
        domain: Domain,
        accounts: Accounts,
        messages: Messages,
        changes: Changes,
        presence: RoomPresence,
        adding: Adding,
        rates: Rates,
    ) -> None:
        self._adding = adding
        self._rates = rates
        self._domain = domain
        self._accounts = accounts
        self._messages = messages
        self._changes = changes
        self._presence = presence

    def _author(self, group: Group, sender: Sender) -> Author:
        """Who asks. Raises StanzaError if it is nobody of the group."""
        author = self._messages.author_of(group, sender)
        if author is None:
            affiliation = group.members.affiliation(sender.bare)
            if affiliation is Affiliation.OUTCAST or group.config.members_only:
                raise StanzaError("forbidden")
            return Author("", sender.bare, affiliation, Role.NONE)
        return author

    # -- lists ----------------------------------------------------------------------------------------

    def lists(self, group: Group, sender: Sender, query: Element) -> Sequence[Element]:
        """Answers with the people who have an affiliation or a role. Raises StanzaError."""
        author = self._author(group, sender)
        items = query.findall(_ITEM)
        if len(items) != 1:
            raise StanzaError("bad-request", "ask for one affiliation or role")
        result = Element(QUERY)
        if (word := items[0].get("affiliation")) is not None:
            affiliation = AFFILIATIONS.get(word)
            if affiliation is None or affiliation is Affiliation.NONE:
                raise StanzaError("bad-request", "no such affiliation")
            if not may_list(group, author.affiliation, affiliation):
                raise StanzaError("forbidden", "you may not see this list")
            for member in group.members:
                if member.affiliation is affiliation:
                    result.append(self._member_item(group, member))
            return (result,)
        role = ROLES.get(items[0].get("role", ""))
        if role is None or role is Role.NONE:
            raise StanzaError("bad-request", "ask for an affiliation or a role")
        if author.role < Role.MODERATOR:
            raise StanzaError("forbidden", "only moderators see roles")
        for occupant in group.occupants:
            if occupant.role is role:
                result.append(self._occupant_item(group, occupant))
        return (result,)

    def _member_item(self, group: Group, member: Member) -> Element:
        attrs = {"affiliation": member.affiliation.word, "jid": member.jid}
        if member.nick:
            attrs["nick"] = member.nick
        item = Element(_ITEM, attrs)
        if member.reason:
            SubElement(item, _REASON).text = member.reason
        return item

    def _occupant_item(self, group: Group, occupant: Occupant) -> Element:
        affiliation = group.members.affiliation(occupant.bare)
        return Element(
            _ITEM,
            {
                "affiliation": affiliation.word,
                "role": occupant.role.word,
                "nick": occupant.nick,
                "jid": next(reversed(occupant.clients)),
            },
        )

    # -- changes --------------------------------------------------------------------------------------

    async def change(self, group: Group, sender: Sender, query: Element) -> None:
        """Changes affiliations and roles. All items are checked before anything is changed.

        Raises StanzaError.
        """
        items = query.findall(_ITEM)
        if not items or len(items) > MAX_ITEMS:
            raise StanzaError("bad-request", f"name 1 to {MAX_ITEMS} people")
        author = self._author(group, sender)
        kind = "administration" if author.affiliation >= Affiliation.ADMIN else "change"
        self._rates.take(kind, group.jid, author.bare)
        changed: dict[str, Member] = {}
        roles: list[tuple[Occupant, Role, str]] = []
        for item in items:
            if "affiliation" in item.attrib:
                member = await self._new_affiliation(group, author, item, changed)
                changed[member.jid] = member
            else:
                roles.append(self._new_role(group, author, item))
        self.check_limits(group, changed)
        if changed:
            await self._changes.members(group, author.bare, list(changed.values()), author.nick)
        for occupant, role, reason in roles:
            if role is Role.NONE:
                self._changes.remove(group, occupant, Departure(307, actor=author.nick, reason=reason))
            elif occupant.role is not role:
                before, occupant.role = occupant.role, role
                self._presence.announce(group, occupant, was=before)

    async def _new_affiliation(
        self, group: Group, author: Author, item: Element, changed: dict[str, Member]
    ) -> Member:
        affiliation = AFFILIATIONS.get(item.get("affiliation", ""))
        if affiliation is None:
            raise StanzaError("bad-request", "no such affiliation")
        jid = self._jid_of(group, item)
        was = changed.get(jid.bare) or group.members.get(jid.bare)
        before = was.affiliation if was is not None else Affiliation.NONE
        if not jid.local and affiliation > Affiliation.NONE:
            raise StanzaError("jid-malformed", "a whole server can only be banned")
        if affiliation > Affiliation.NONE and not is_person(jid, group):
            raise StanzaError("item-not-found", "only people are members")
        if before is affiliation and jid.bare == author.bare and "nick" in item.attrib:
            pass  # everybody chooses their own nickname
        else:
            check_may_change(group, author, jid.bare, before, affiliation)
        if was is not None and before >= Affiliation.MEMBER:
            account = was.account
        else:  # since a ban, there may be another account with the address, or the first one
            account = await self._account_of(jid, affiliation)
        if before < Affiliation.MEMBER <= affiliation:
            await self._adding.check_groups(account)
        nick = (was.nick if was is not None else "") or self._nick_of(group, item, jid, changed)
        if was is not None and was.nick and was.belongs and item.get("nick", was.nick) != was.nick:
            nick = self._other_nick(group, item, jid, changed)
        return Member(
            jid.bare,
            affiliation,
            account,
            nick if affiliation >= Affiliation.MEMBER else "",
            was.since if was is not None else 0,
            reason=(item.findtext(_REASON) or "")[:1000],
            pending=affiliation is Affiliation.MEMBER and await self._is_pending(author, jid, was, account),
        )

    async def _is_pending(self, author: Author, jid: JID, was: Member | None, account: int) -> bool:
        """Whether a new member is only invited."""
        if was is not None and was.affiliation >= Affiliation.MEMBER:
            return was.pending
        return bool(account) and not await self._adding.may_add(author.bare, jid)

    def _jid_of(self, group: Group, item: Element) -> JID:
        """The person that an item names, by address or by nickname. Raises StanzaError."""
        if (text := item.get("jid")) is not None:
            try:
                return parse_jid(text).to_bare()
            except ValueError:
                raise StanzaError("jid-malformed") from None
        nick = item.get("nick", "")
        occupant = group.occupants.get(nick)
        bare = occupant.bare if occupant is not None else group.members.with_nick(nick)
        if bare is None:
            raise StanzaError("item-not-found", "nobody has this nickname")
        return parse_jid(bare)

    async def _account_of(self, jid: JID, affiliation: Affiliation) -> int:
        """The id of an account, 0 if it is on another server. Raises StanzaError if it does not exist."""
        account = await self._accounts.id_of(jid)
        if account is None and self._domain.holds(jid):
            if affiliation >= Affiliation.MEMBER:
                raise StanzaError("item-not-found", f"there is no account {jid.bare}")
            return 0
        return account or 0

    def _nick_of(self, group: Group, item: Element, jid: JID, changed: dict[str, Member]) -> str:
        taken = {member.nick for member in changed.values()}
        if wanted := item.get("nick"):
            return free_nick(group, wanted, jid.bare, taken)
        return default_nick(group, jid, taken)

    def _other_nick(self, group: Group, item: Element, jid: JID, changed: dict[str, Member]) -> str:
        """The nickname that a member is to have instead of the present one. Raises StanzaError."""
        wanted = item.get("nick", "")
        if not wanted:  # it is not reserved any more (XEP-0045 §9.5)
            return self._nick_of(group, Element(_ITEM), jid, changed)
        taken = {member.nick for member in changed.values()}
        if free_nick(group, wanted, jid.bare, taken) != wanted:
            raise StanzaError("conflict", "the nickname is in use")
        return wanted

    def _new_role(self, group: Group, author: Author, item: Element) -> tuple[Occupant, Role, str]:
        role = ROLES.get(item.get("role", ""))
        occupant = group.occupants.get(item.get("nick", ""))
        if role is None:
            raise StanzaError("bad-request", "no such role")
        if occupant is None:
            raise StanzaError("item-not-found", "nobody has this nickname")
        if author.role < Role.MODERATOR:
            raise StanzaError("forbidden", "only moderators change roles")
        check_may_change_role(author, occupant, group.members.affiliation(occupant.bare), role)
        return occupant, role, (item.findtext(_REASON) or "")[:1000]

    def check_limits(self, group: Group, changed: Mapping[str, Member]) -> None:
        """Raises StanzaError if the group would be too large, or without an owner."""
        after = {member.jid: member.affiliation for member in group.members}
        after |= {member.jid: member.affiliation for member in changed.values()}
        if changed and not any(affiliation is Affiliation.OWNER for affiliation in after.values()):
            raise StanzaError("conflict", "a group needs an owner")
        belonging = sum(affiliation >= Affiliation.MEMBER for affiliation in after.values())
        outcasts = sum(affiliation is Affiliation.OUTCAST for affiliation in after.values())
        if belonging > MAX_MEMBERS and belonging > len(group.members.belonging()):
            raise StanzaError("resource-constraint", f"a group has at most {MAX_MEMBERS} members")
        if outcasts > MAX_OUTCASTS:
            raise StanzaError("resource-constraint", f"a group bans at most {MAX_OUTCASTS} people")


def check_may_change_role(author: Author, occupant: Occupant, theirs: Affiliation, role: Role) -> None:
    """Whether a moderator may give an occupant of an affiliation another role. Raises StanzaError.

    XEP-0045 §8.2 to §8.4, §9.6 and §9.7.
    """
    if theirs > author.affiliation:
        raise StanzaError("not-allowed", "you have no power over this person")
    if role is Role.NONE:
        return
    if theirs >= Affiliation.ADMIN and role is not Role.MODERATOR:
        raise StanzaError("not-allowed", "admins and owners are moderators")
    if Role.MODERATOR in (role, occupant.role) and author.affiliation < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins make and unmake moderators")
    if role is Role.VISITOR and theirs is author.affiliation is Affiliation.MEMBER:
        raise StanzaError("not-allowed", "you have no power over this person")


def parse_query(iq: Stanza) -> Element:
    """The query of a request. Raises StanzaError."""
    query = iq.child(QUERY)
    if query is None:
        raise StanzaError("bad-request")
    return query
