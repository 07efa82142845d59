"""Invitation links of groups, and people who ask to come in.

A link is a random token, which members pass on as a URL or a QR code. It works like a password that makes a
member of whoever presents it, so any client can use it: ``xmpp:GROUP?join;password=TOKEN``. It can be
replaced and revoked. If admins approve who comes in, presenting it only asks.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.groups.group import Group
from kith.groups.groups import state_write
from kith.groups.members import Affiliation, Member
from kith.groups.names import CHANGE, GROUPS
from kith.groups.nicknames import default_nick
from kith.groups.service import GroupService
from kith.ports.store import Store, Write
from kith.records.invites import base_url
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_LINK, _JOIN, _ASKING, _ASKS, _DECLINE = (
    ns.tag(GROUPS, name) for name in ("link", "join", "asking", "asks", "decline")
)
#: The space of documents of a group with who asks to come in; the keys are addresses.
ASKING = "asking"
#: How many people may wait for an answer.
_MAX_ASKING = 200


class _Asking(msgspec.Struct):
    """Who asks to come in: the account, and the time in milliseconds."""

    account: int
    at: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Asking).decode


class GroupLinks(Feature):
    """Makes and revokes links, and lets people in."""

    service = "groups"

    def __init__(
        self,
        config: Config,
        clock: Clock,
        randomness: Randomness,
        store: Store,
        accounts: Accounts,
        groups: GroupService,
    ) -> None:
        self._base = base_url(config)
        self._clock = clock
        self._randomness = randomness
        self._store = store
        self._accounts = accounts
        self._service = groups
        groups.entering.let_in = self._let_in

    # -- links ------------------------------------------------------------------------------------------

    @handles_iq("get", GROUPS, "link", to="place")
    async def link(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """The present link, for those who may add people; without a token if there is none."""
        group = await self._service.load(to)
        self._check_may_invite(group, sender)
        return (self._described(group),)

    @handles_iq("set", GROUPS, "link", to="place")
    async def renew(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Makes a new link, so that the one before is of no use any more; or revokes it, for good."""
        request = iq.child(_LINK)
        assert request is not None
        revoked = request.get("revoke") in ("true", "1")
        return (await self._service.in_turn(to, lambda group: self._renew(group, sender, revoked)),)

    async def _renew(self, group: Group, sender: Sender, revoked: bool) -> Element:
        self._check_may_invite(group, sender)
        self._service.rates.take("change", group.jid, sender.bare)
        state = msgspec.structs.replace(group.state, link="" if revoked else self._randomness.hex(16))
        write = state_write(group, state)
        assert write.value is not None
        await self._store.put(write.account, write.space, write.key, write.value)
        group.state = state
        return self._described(group)

    def _described(self, group: Group) -> Element:
        token = group.state.link
        if not token:
            return Element(_LINK)
        name = quote(group.address.local)
        return Element(
            _LINK,
            {
                "token": token,
                "uri": f"xmpp:{name}@{group.address.domain}?join;password={token}",
                "url": f"{self._base}/group/{name}/{token}",
            },
        )

    def _check_may_invite(self, group: Group, sender: Sender) -> None:
        affiliation = group.members.rights(sender.bare)
        needed = Affiliation.MEMBER if group.config.invite == "members" else Affiliation.ADMIN
        if affiliation < needed:
            raise StanzaError("forbidden", "you may not invite people to this group")

    async def page(self, local: str, token: str) -> tuple[str, str, int] | None:
        """The name of the group that a link leads to, the URI for apps, and how many members it has.

        None if the link is not valid.
        """
        try:
            jid = parse_jid(f"{local}@{self._service.address}")
        except ValueError:
            return None
        group = await self._service.groups.load(jid.bare)
        if group is None or not _fits(group, token):
            return None
        name = group.config.name or group.address.local
        return name, self._described(group).get("uri", ""), len(group.members.belonging())

    # -- coming in --------------------------------------------------------------------------------------

    @handles_iq("set", GROUPS, "join", to="place")
    async def join(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Comes in with the token of a link. The answer says whether one is in, or has to wait."""
        request = iq.child(_JOIN)
        assert request is not None
        token = request.get("token", "")

        async def come(group: Group) -> bool:
            if not _fits(group, token):
                raise StanzaError("not-authorized", "the link is not valid any more")
            return await self._come(group, sender.jid)

        inside = await self._service.in_turn(to, come)
        return (Element(_JOIN, {"state": "inside" if inside else "asked"}),)

    async def _let_in(self, group: Group, sender: JID, password: str) -> None:
        """Makes a member of somebody who enters with a link as password. Raises StanzaError."""
        if _fits(group, password) and not await self._come(group, sender):
            raise StanzaError("registration-required", "the admins were asked to let you in")

    async def _come(self, group: Group, sender: JID) -> bool:
        """Makes a member, or asks the admins. Returns whether it made one. Raises StanzaError."""
        before = group.members.get(sender.bare)
        if before is not None and before.affiliation is Affiliation.OUTCAST:
            raise StanzaError("forbidden", "you are banned from this group")
        if before is not None and before.belongs:
            return True
        self._service.rates.take("change", group.jid, sender.bare)
        account = await self._accounts.id_of(sender)
        invited = before is not None and before.affiliation >= Affiliation.MEMBER
        if group.config.approve and not invited:
            await self._ask(group, sender.bare, account or 0)
            return False
        await self._add(group, sender.bare, sender.bare, account or 0)
        return True

    async def _add(self, group: Group, by: str, bare: str, account: int) -> None:
        nick = default_nick(group, parse_jid(bare), set())
        member = Member(bare, Affiliation.MEMBER, account, nick)
        self._service.administration.check_limits(group, {bare: member})
        await self._service.changes.members(group, by, [member], nick)
        await self._store.remove(group.id, ASKING, bare)

    # -- asking -----------------------------------------------------------------------------------------

    async def _ask(self, group: Group, bare: str, account: int) -> None:
        """Notes that somebody asks to come in, and tells the admins, once."""
        waiting = await self._store.documents(group.id, ASKING)
        if any(document.key == bare for document in waiting):
            return
        if len(waiting) >= _MAX_ASKING:
            raise StanzaError("resource-constraint", "too many people wait already", type="wait")
        change = Element(CHANGE, {"by": bare, "number": str(group.state.number)})
        SubElement(change, _ASKS, {"jid": bare})
        asking = _Asking(account, int(self._clock.now() * 1000))
        admins = {
            member.jid: member.account
            for member in group.members.belonging()
            if member.account and member.affiliation >= Affiliation.ADMIN
        }
        write = Write(group.id, ASKING, bare, _encode(asking))
        await self._service.changes.tell(group, bare, change, [write], admins, confined=True)

    @handles_iq("get", GROUPS, "asking", to="place")
    async def asking(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Who asks to come in, for admins."""
        group = await self._service.load(to)
        self._check_admin(group, sender)
        result = Element(_ASKING)
        for document in await self._store.documents(group.id, ASKING):
            SubElement(result, _ASKS, {"jid": document.key})
        return (result,)

    @handles_iq("set", GROUPS, "approve", to="place")
    async def approve(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Lets somebody in who has asked."""
        await self._answer(sender, iq, to, "approve", self._approved)
        return ()

    @handles_iq("set", GROUPS, "decline", to="place")
    async def decline(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Forgets that somebody has asked."""
        await self._answer(sender, iq, to, "decline", self._declined)
        return ()

    async def _answer(
        self,
        sender: Sender,
        iq: Stanza,
        to: JID,
        name: str,
        work: Callable[[Group, Sender, str, _Asking], Awaitable[None]],
    ) -> None:
        request = iq.child(ns.tag(GROUPS, name))
        assert request is not None
        bare = request.get("jid", "")

        async def answer(group: Group) -> None:
            self._check_admin(group, sender)
            document = await self._store.document(group.id, ASKING, bare)
            if document is None:
                raise StanzaError("item-not-found", "nobody with this address asks to come in")
            await work(group, sender, bare, _decode(document.value))

        await self._service.in_turn(to, answer)

    async def _approved(self, group: Group, sender: Sender, bare: str, asking: _Asking) -> None:
        if group.members.affiliation(bare) is not Affiliation.NONE:
            await self._store.remove(group.id, ASKING, bare)
        elif (await self._accounts.id_of(parse_jid(bare)) or 0) == asking.account:
            await self._add(group, sender.bare, bare, asking.account)
        else:
            await self._store.remove(group.id, ASKING, bare)
            raise StanzaError("item-not-found", "the account that has asked does not exist any more")

    async def _declined(self, group: Group, sender: Sender, bare: str, asking: _Asking) -> None:
        await self._store.remove(group.id, ASKING, bare)

    def _check_admin(self, group: Group, sender: Sender) -> None:
        if group.members.affiliation(sender.bare) < Affiliation.ADMIN:
            raise StanzaError("forbidden", "only admins let people in")


def _fits(group: Group, token: str) -> bool:
    """Whether a token is that of the group's link."""
    link = group.state.link
    return bool(link) and hmac.compare_digest(link.encode(), token.encode())
