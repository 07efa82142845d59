"""Registration with a group (XEP-0045 §7.10): who registers is a member, and has a nickname that is theirs.

An open group takes everybody. A group for members only may let people ask (setting ``requests``), and its
admins say yes with a form (§9.9); others do not take registrations.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.features.forms import Field, build_form, find_form
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.names import MUC
from kith.groups.nicknames import acceptable, free_nick
from kith.groups.requests import Requests
from kith.groups.service import GroupService
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

FORM = f"{MUC}#register"
NICK = "muc#register_roomnick"
_QUERY, _REGISTERED, _USERNAME, _REMOVE, _INSTRUCTIONS = (
    ns.tag(ns.REGISTER, name) for name in ("query", "registered", "username", "remove", "instructions")
)


class Registering(Feature):
    """Answers requests in the namespace ``jabber:iq:register`` to groups."""

    service = "groups"

    def __init__(self, accounts: Accounts, groups: GroupService, requests: Requests) -> None:
        self._accounts = accounts
        self._groups = groups
        self._requests = requests

    @handles_iq("get", ns.REGISTER, "query", to="place")
    async def form(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """What somebody is registered with, or the form to be filled in."""
        group = await self._groups.load(to)
        query = Element(_QUERY)
        member = group.members.get(sender.bare)
        if member is not None and member.belongs:
            SubElement(query, _REGISTERED)
            SubElement(query, _USERNAME).text = member.nick
        else:
            self._check(group, sender)
        SubElement(query, _INSTRUCTIONS).text = "Choose a nickname."
        nick = member.nick if member is not None else ""
        field = Field(NICK, (nick,) if nick else (), "text-single", "Nickname", required=True)
        query.append(build_form("form", FORM, [field], "Registration with the group"))
        return (query,)

    @handles_iq("set", ns.REGISTER, "query", to="place")
    async def register(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        query = iq.child(_QUERY)
        assert query is not None
        if query.find(_REMOVE) is not None:
            await self._groups.in_turn(to, lambda group: self._remove(group, sender))
        else:
            await self._groups.in_turn(to, lambda group: self._register(group, sender, query))
        return ()

    def _check(self, group: Group, sender: Sender) -> None:
        """Whether somebody may register, or ask for it. Raises StanzaError."""
        affiliation = group.members.affiliation(sender.bare)
        if affiliation is Affiliation.OUTCAST:
            raise StanzaError("forbidden", "you are banned from this group")
        if group.state.locked:
            raise StanzaError("item-not-found", "the group is not ready yet")
        if affiliation is Affiliation.NONE and group.config.members_only and not group.config.requests:
            self._groups.check_may_see(group, sender)
            raise StanzaError("not-allowed", "this group takes no registrations")

    async def _register(self, group: Group, sender: Sender, query: Element) -> None:
        self._check(group, sender)
        form = find_form(query)
        if form is None or form.type != "submit" or form.form_type != FORM or not form.one(NICK).strip():
            raise StanzaError("bad-request", "a form with a nickname is missing")
        wanted = acceptable(form.one(NICK))
        if free_nick(group, wanted, sender.bare, set()) != wanted:
            raise StanzaError("conflict", "the nickname is in use")
        self._groups.rates.take("registration", group.jid, sender.bare)
        was = group.members.get(sender.bare)
        if was is not None and was.belongs and was.nick == wanted:
            return  # as some clients do each time they enter
        if was is None and group.config.members_only:
            await self._requests.ask(group, sender.bare, wanted)
            return
        account = await self._accounts.id_of(sender.jid) or 0
        affiliation = max(was.affiliation if was is not None else Affiliation.NONE, Affiliation.MEMBER)
        member = Member(sender.bare, affiliation, account, wanted)
        self._groups.administration.check_limits(group, {sender.bare: member})
        await self._groups.changes.members(group, sender.bare, [member], wanted)

    async def _remove(self, group: Group, sender: Sender) -> None:
        """Ends somebody's registration (XEP-0077 §3.2). Raises StanzaError."""
        was = group.members.get(sender.bare)
        if was is None or was.affiliation < Affiliation.MEMBER:
            self._groups.check_may_see(group, sender)
            raise StanzaError("registration-required", "you are not registered")
        gone = Member(sender.bare, Affiliation.NONE, was.account)
        self._groups.administration.check_limits(group, {sender.bare: gone})
        await self._groups.changes.members(group, sender.bare, [gone], was.nick)
