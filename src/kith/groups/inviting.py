"""Invitations through a group, and their answers (XEP-0045 §7.8.2).

Whoever may add members makes somebody a member by an invitation to a group for members only; what the person
themselves wants of that decides `kith.groups.adding`. Invitations that people send each other directly
(XEP-0249) are ordinary messages.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.base.domain import Domain
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.core.actors.intake import LATER, Work
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.groups.adding import Adding, is_person
from kith.groups.config import ADMINS
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.messages import Author
from kith.groups.names import MUC_USER, USER
from kith.groups.senders import deliver
from kith.groups.service import GroupService
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_INVITE, _DECLINE, _REASON, _CONTINUE, _PASSWORD = (
    ns.tag(MUC_USER, name) for name in ("invite", "decline", "reason", "continue", "password")
)
#: How many people one message invites at most, and how long a reason is.
_MAX_INVITES, _MAX_REASON = 20, 1000
#: How many invitations are remembered, so that they can be declined.
_REMEMBERED = 50_000


class Inviting(Feature):
    """Sends invitations, and passes on that they were declined."""

    service = "groups"

    def __init__(
        self,
        domain: Domain,
        accounts: Accounts,
        router: Router,
        post: Post,
        tasks: Tasks,
        adding: Adding,
        groups: GroupService,
    ) -> None:
        self._domain = domain
        self._accounts = accounts
        self._router = router
        self._post = post
        self._tasks = tasks
        self._adding = adding
        self._groups = groups
        self._sent: OrderedDict[tuple[str, str], str] = OrderedDict()  # by group and guest: who has invited
        # by group: those for whom an invitation is being sent already
        self._guests: set[tuple[str, str]] = set()
        groups.to_group[USER] = self._handle
        groups.changes.listeners.append(self._added)

    def _added(self, group: Group, new: Sequence[Member], before: Sequence[Member]) -> None:
        """Invites new members who would not notice that they are (XEP-0045 §9.5).

        People of other servers have no bookmark of the group, and those who did not let themselves be added
        have none either. Others need no invitation.
        """
        for member, was in zip(new, before, strict=True):
            joins = member.affiliation >= Affiliation.MEMBER > was.affiliation
            told = member.by == member.jid or (group.jid, member.jid) in self._guests
            if joins and not told and (member.pending or not member.account):
                self._tasks.spawn(self._invite_member(group, member))

    async def _invite_member(self, group: Group, member: Member) -> None:
        guest = parse_jid(member.jid)
        if member.account and not await self._adding.may_invite(member.by, guest):
            return
        by = group.members.get(member.by)
        inviter = str(group.at(by.nick)) if group.config.anonymous and by is not None else member.by
        user = Element(USER)
        SubElement(user, _INVITE, {"from": inviter})
        if group.config.password:
            SubElement(user, _PASSWORD).text = group.config.password
        with contextlib.suppress(StanzaError):  # who refuses invitations needs none
            await self._send(group, guest, user)

    def _handle(self, group: Group, sender: Sender, stanza: Stanza, to: JID) -> Work:
        if sender.committing:
            return LATER
        x = stanza.child(USER)
        assert x is not None
        declined = x.find(_DECLINE)
        if declined is not None:
            return self._decline(group, sender, declined)
        invites = x.findall(_INVITE)
        if not 0 < len(invites) <= _MAX_INVITES or stanza.type not in ("", "normal"):
            raise StanzaError("bad-request", f"invite 1 to {_MAX_INVITES} people")
        return self._invite(group, sender, invites)

    # -- inviting -----------------------------------------------------------------------------------

    async def _invite(self, group: Group, sender: Sender, invites: Sequence[Element]) -> None:
        author = self._groups.messages.author_of(group, sender)
        if author is None:
            raise StanzaError("not-acceptable", "only those who are in the group may invite")
        guests = [(_address(invite), invite) for invite in invites]
        new: dict[str, Member] = {}
        for guest, _ in guests:
            self._groups.rates.take("invitation", group.jid, author.bare)
            await self._check(group, author, guest)
            if group.config.members_only and group.members.affiliation(guest.bare) is Affiliation.NONE:
                taken = [member.nick for member in new.values()]
                new[guest.bare] = await self._adding.member(group, author, guest.to_bare(), taken)
        self._groups.administration.check_limits(group, new)
        if new:
            invited = {(group.jid, jid) for jid in new}
            self._guests |= invited
            try:
                await self._groups.changes.members(group, author.bare, list(new.values()), author.nick)
            finally:
                self._guests -= invited
        for guest, invite in guests:
            if self._domain.holds(guest) and not await self._adding.may_invite(author.bare, guest):
                continue  # who is blocked does not learn of it
            await self._send(group, guest, _invitation(group, author, invite))
            self._remember(group, guest.bare, author.bare)

    async def _check(self, group: Group, author: Author, guest: JID) -> None:
        """Whether somebody may invite a guest. Raises StanzaError."""
        if not is_person(guest, group):
            raise StanzaError("item-not-found", "only people are guests")
        if group.members.affiliation(guest.bare) is Affiliation.OUTCAST:
            raise StanzaError("not-allowed", "this person is banned from the group")
        if group.config.invite == ADMINS and author.affiliation < Affiliation.ADMIN:
            raise StanzaError("forbidden", "only admins invite people to this group")
        if self._domain.holds(guest) and await self._accounts.load(guest.bare) is None:
            raise StanzaError("item-not-found", f"there is no account {guest.bare}")

    def _remember(self, group: Group, guest: str, author: str) -> None:
        self._sent[group.jid, guest] = author
        self._sent.move_to_end((group.jid, guest))
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    async def _send(self, group: Group, to: JID, content: Element) -> None:
        """Sends a message of the group, which waits for whoever is away."""
        stanza = Stanza.build("message", {"from": group.jid, "to": str(to)}, content)
        await deliver(self._router, self._post, stanza, group.address, to)

    # -- declining ----------------------------------------------------------------------------------

    async def _decline(self, group: Group, sender: Sender, declined: Element) -> None:
        member = group.members.get(sender.bare)
        author = self._sent.get((group.jid, sender.bare), "")
        if not author and member is not None and member.pending:
            author = member.by
        if not author:
            raise StanzaError("not-acceptable", "nobody has invited you")
        self._sent.pop((group.jid, sender.bare), None)
        if member is not None and member.pending:
            gone = Member(member.jid, Affiliation.NONE, member.account)
            await self._groups.changes.members(group, sender.bare, [gone])
        user = Element(USER)
        decline = SubElement(user, _DECLINE, {"from": sender.bare})
        if reason := (declined.findtext(_REASON) or "")[:_MAX_REASON]:
            SubElement(decline, _REASON).text = reason
        await self._send(group, parse_jid(author), user)


def _address(invite: Element) -> JID:
    """Whom an invitation is for. Raises StanzaError."""
    try:
        guest = parse_jid(invite.get("to", ""))
    except ValueError:
        raise StanzaError("jid-malformed", "the address of the guest") from None
    if not guest.local:
        raise StanzaError("jid-malformed", "a guest is a person")
    return guest


def _invitation(group: Group, author: Author, asked: Element) -> Element:
    """What a guest gets: who invites, why, whether a chat is continued, and the password."""
    user = Element(USER)
    inviter = str(group.at(author.nick)) if group.config.anonymous else author.bare
    invite = SubElement(user, _INVITE, {"from": inviter})
    if reason := (asked.findtext(_REASON) or "")[:_MAX_REASON]:
        SubElement(invite, _REASON).text = reason
    continued = asked.find(_CONTINUE)
    if continued is not None:
        thread = continued.get("thread", "")[:_MAX_REASON]
        SubElement(invite, _CONTINUE, {"thread": thread} if thread else {})
    if group.config.password:
        SubElement(user, _PASSWORD).text = group.config.password
    return user
