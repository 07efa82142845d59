"""Bookmarks of groups (XEP-0402), which the server keeps in step with who is a member of what.

So a client that knows nothing of groups enters them at its first login. Which bookmarks are there is noted
with the account. If the server stops in between, what is missing is made up for when the account is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.base.tasks import Tasks
from kith.core.actors.account import Account
from kith.core.hooks.feature import Feature
from kith.features.bookmarks import NODE, Bookmarks
from kith.groups.group import Group
from kith.groups.members import Member
from kith.groups.service import GroupService
from kith.ports.store import MEMBERSHIPS, Document, DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import serialize

#: The space of an account's documents that says which groups it has bookmarks of; the keys are addresses.
_KEPT = "group-bookmarks"


class RoomBookmarks(Feature):
    """Adds a bookmark when somebody becomes a member, and removes it when they cease to be one."""

    in_memory = (MEMBERSHIPS, _KEPT)

    def __init__(
        self, store: DocumentStore, tasks: Tasks, groups: GroupService, bookmarks: Bookmarks | None
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._groups = groups
        self._bookmarks = bookmarks
        groups.changes.listeners.append(self._changed)
        groups.groups.created.append(self._created)

    def _created(self, group: Group, owner: Member) -> None:
        if owner.account:
            self._tasks.spawn(self._add(parse_jid(owner.jid), owner.account, group))

    def _changed(self, group: Group, new: Sequence[Member], before: Sequence[Member]) -> None:
        for member, was in zip(new, before, strict=True):
            if member.account and member.belongs != was.belongs:
                owner = parse_jid(member.jid)
                work = self._add(owner, member.account, group) if member.belongs else None
                self._tasks.spawn(work or self._remove(owner, member.account, group.jid))

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        """Makes up for what a crash has prevented."""
        groups = {document.key for document in kept[MEMBERSHIPS]}
        there = {document.key for document in kept[_KEPT]}
        if groups != there:
            self._tasks.spawn(self._repair(account, groups - there, there - groups))

    async def _repair(self, account: Account, missing: set[str], extra: set[str]) -> None:
        for jid in extra:
            await self._remove(account.address, account.id, jid)
        for jid in missing:
            group = await self._groups.groups.load(jid)
            member = group.members.get(account.jid) if group is not None else None
            if group is not None and member is not None and member.belongs:
                await self._add(account.address, account.id, group)

    async def _add(self, owner: JID, account: int, group: Group) -> None:
        """Adds a bookmark, unless the person has one."""
        if self._bookmarks is None:
            return
        member = group.members.get(owner.bare)
        conference = Element(ns.tag(NODE, "conference"), {"autojoin": "true"})
        if group.config.name:
            conference.set("name", group.config.name)
        if member is not None and member.nick:
            SubElement(conference, ns.tag(NODE, "nick")).text = member.nick
        try:
            await self._bookmarks.add(owner, account, group.jid, serialize(conference, " "))
        except StanzaError:
            return  # there are too many: the person decides which to keep
        await self._store.put(account, _KEPT, group.jid, b"")

    async def _remove(self, owner: JID, account: int, jid: str) -> None:
        if self._bookmarks is not None:
            await self._bookmarks.remove(owner, account, jid)
        await self._store.remove(account, _KEPT, jid)
