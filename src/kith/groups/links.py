"""Invitation links of groups.

A link is a random token, which members pass on as a URL or a QR code. It works like a password that makes a
member of whoever presents it, so any client can use it: ``xmpp:GROUP?join;password=TOKEN``. It can be
replaced and revoked. If admins approve who comes in, presenting it only asks (`kith.groups.requests`).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import quote
from xml.etree.ElementTree import Element

import msgspec

from kith.base.randomness import Randomness
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.groups.adding import Adding
from kith.groups.group import Group
from kith.groups.groups import state_write
from kith.groups.members import Affiliation, Member
from kith.groups.names import GROUPS
from kith.groups.requests import Requests
from kith.groups.service import GroupService
from kith.ports.store import Store
from kith.records.invites import base_url
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_LINK, _JOIN = ns.tag(GROUPS, "link"), ns.tag(GROUPS, "join")


class GroupLinks(Feature):
    """Makes and revokes links, and lets people in."""

    service = "groups"

    def __init__(
        self,
        config: Config,
        randomness: Randomness,
        store: Store,
        accounts: Accounts,
        groups: GroupService,
        requests: Requests,
        adding: Adding,
    ) -> None:
        self._adding = adding
        self._base = base_url(config)
        self._randomness = randomness
        self._store = store
        self._accounts = accounts
        self._service = groups
        self._requests = requests
        groups.entering.let_in = self._let_in

    # -- links ------------------------------------------------------------------------------------------

    @handles_iq("get", GROUPS, "link", to="place")
    async def link(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """The present link, for those who may add people; without a token if there is none."""
        group = await self._service.load(to, sender)
        self._check_may_invite(group, sender)
        return (self._described(group),)

    @handles_iq("set", GROUPS, "link", to="place")
    async def renew(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Makes a new link, so that the one before is of no use any more; or revokes it, for good."""
        request = iq.child(_LINK)
        assert request is not None
        revoked = request.get("revoke") in ("true", "1")
        return (await self._service.in_turn(to, lambda group: self._renew(group, sender, revoked), sender),)

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
            await self._requests.ask(group, sender.bare)
            return False
        await self._add(group, sender.bare, sender.bare, account or 0)
        return True

    async def _add(self, group: Group, by: str, bare: str, account: int) -> None:
        nick = await self._adding.nick(group, parse_jid(bare), account, set())
        member = Member(bare, Affiliation.MEMBER, account, nick)
        self._service.administration.check_limits(group, {bare: member})
        await self._service.changes.members(group, by, [member], nick)


def _fits(group: Group, token: str) -> bool:
    """Whether a token is that of the group's link."""
    link = group.state.link
    return bool(link) and hmac.compare_digest(link.encode(), token.encode())
