"""Requests to groups: what they are, who is in them, their lists, their configuration and their archive."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.asserted import Assertions
from kith.features import disco
from kith.features.disco import Identity
from kith.features.forms import find_form
from kith.groups import administration, configuration
from kith.groups.archive import GroupArchive
from kith.groups.configuration import changed, form_of
from kith.groups.description import describe
from kith.groups.group import Group
from kith.groups.members import Affiliation
from kith.groups.names import MUC_ADMIN, MUC_OWNER
from kith.groups.service import GroupService
from kith.ports.store import LogStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: The node by which somebody asks for their own nickname in a group.
NICKNAME = "x-roomuser-item"
_DESTROY = ns.tag(MUC_OWNER, "destroy")
_Children = Sequence[Element]


class Answers(Feature):
    """Answers the iqs of XEP-0045 §6, §8, §9 and §10, and those for the archive (XEP-0313)."""

    service = "groups"

    def __init__(self, store: LogStore, assertions: Assertions, groups: GroupService) -> None:
        self._groups = groups
        self._archive = GroupArchive(store, groups.history, assertions)

    @handles_iq("get", ns.DISCO_INFO, "query", to="place")
    async def info(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        group = await self._groups.load(to, sender)
        query = iq.child(disco.INFO)
        node = query.get("node", "") if query is not None else ""
        if node not in ("", NICKNAME):
            raise StanzaError("item-not-found")
        if node:  # XEP-0045 §7.12
            result = Element(disco.INFO, {"node": node})
            if (member := group.members.get(sender.bare)) is not None and member.nick:
                result.append(disco.identity(Identity("conference", "text", member.nick)))
            return (result,)
        result = Element(disco.INFO)
        result.extend(describe(group, not group.config.members_only or self._groups.is_known(group, sender)))
        return (result,)

    @handles_iq("get", ns.DISCO_ITEMS, "query", to="place")
    async def items(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        """The occupants, for those who may see them (XEP-0045 §6.5)."""
        group = await self._groups.load(to, sender)
        result = Element(disco.ITEMS)
        if group.config.public or self._groups.is_known(group, sender):
            result.extend(disco.item(str(group.at(occupant.nick))) for occupant in group.occupants)
        return (result,)

    @handles_iq("get", MUC_ADMIN, "query", to="place")
    async def lists(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        return self._groups.administration.lists(
            await self._groups.load(to, sender), sender, administration.parse_query(iq)
        )

    @handles_iq("set", MUC_ADMIN, "query", to="place")
    async def change(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        query = administration.parse_query(iq)
        await self._groups.in_turn(
            to, lambda group: self._groups.administration.change(group, sender, query), sender
        )
        return ()

    @handles_iq("get", MUC_OWNER, "query", to="place")
    async def configuration(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        group = await self._groups.load(to, sender)
        self._check_owner(group, sender)
        result = Element(configuration.QUERY)
        result.append(form_of(group.config))
        return (result,)

    @handles_iq("set", MUC_OWNER, "query", to="place")
    async def configure(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        query = iq.child(configuration.QUERY)
        assert query is not None
        await self._groups.in_turn(to, lambda group: self._configure(group, sender, query), sender)
        return ()

    async def _configure(self, group: Group, sender: Sender, query: Element) -> None:
        self._check_owner(group, sender)
        self._groups.rates.take("administration", group.jid, sender.bare)
        destroy = query.find(_DESTROY)
        if destroy is not None:
            await self._groups.changes.destroy(group, sender.bare, destroy)
            return
        form = find_form(query)
        if form is None or form.type not in ("submit", "cancel"):
            raise StanzaError("bad-request", "a form is missing")
        if form.type == "submit":
            await self._groups.changes.configure(group, sender.bare, changed(group.config, form))
        elif group.state.locked:  # XEP-0045 §10.1.3
            await self._groups.changes.destroy(group, sender.bare, Element(_DESTROY))

    @handles_iq("get", ns.MAM, "query", to="place")
    async def archive_fields(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        return self._archive.fields()

    @handles_iq("set", ns.MAM, "query", to="place")
    async def archive(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        return await self._archive.query(await self._groups.load(to, sender), sender, iq)

    @handles_iq("get", ns.MAM, "metadata", to="place")
    async def archive_metadata(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        return await self._archive.metadata(await self._groups.load(to, sender), sender)

    @handles_iq("get", ns.PING, "ping", to="place")
    async def ping(self, sender: Sender, iq: Stanza, to: JID) -> _Children:
        await self._groups.load(to, sender)
        return ()

    def _check_owner(self, group: Group, sender: Sender) -> None:
        if group.members.affiliation(sender.bare) is not Affiliation.OWNER:
            raise StanzaError("forbidden", "only owners configure a group")
