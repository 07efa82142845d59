"""Accounts that are removed leave their groups, and those that get a new address keep their places there.

The store notes which groups a removed account was in (`kith.ports.store.AccountStore.delete_account`), so
that they learn of it whoever has removed it, and after a crash.
"""

from __future__ import annotations

import contextlib
from xml.etree.ElementTree import Element

import msgspec

from kith.base.tasks import Tasks
from kith.core.actors.account import Account
from kith.core.hooks.feature import Feature
from kith.groups.group import Group
from kith.groups.members import Affiliation, Member
from kith.groups.names import MUC_OWNER
from kith.groups.service import GroupService
from kith.ports.store import DEPARTURES, MEMBERSHIPS, DocumentStore
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.ns import tag

#: The owner of the notes about removed accounts.
_SERVER = 0


class Departures(Feature):
    """Removes members without an account, and renames those with a new address."""

    service = "groups"

    def __init__(self, store: DocumentStore, tasks: Tasks, groups: GroupService) -> None:
        self._store = store
        self._tasks = tasks
        self._groups = groups

    async def start(self) -> None:
        await self._all()

    async def account_deleted(self, account: JID) -> None:
        self._tasks.spawn(self._all())

    async def accounts_changed(self) -> None:
        self._tasks.spawn(self._all())

    async def _all(self) -> None:
        for document in await self._store.documents(_SERVER, DEPARTURES):
            account, _, jid = document.key.partition(" ")
            with contextlib.suppress(StanzaError):  # the group does not exist any more
                await self._depart_from(parse_jid(jid), int(account))
            await self._store.remove(_SERVER, DEPARTURES, document.key)

    async def _depart_from(self, jid: JID, account: int) -> None:
        await self._groups.in_turn(jid, lambda group: self._depart(group, account))

    async def _depart(self, group: Group, account: int) -> None:
        """Removes the member with an account id. If nobody owns the group then, the next one does."""
        member = next((member for member in group.members if member.account == account), None)
        if member is None:
            return
        changed = [Member(member.jid, Affiliation.NONE, account)]
        rest = [other for other in group.members.belonging() if other is not member]
        if not rest:
            await self._groups.changes.destroy(group, member.jid, Element(tag(MUC_OWNER, "destroy")))
            return
        if all(other.affiliation is not Affiliation.OWNER for other in rest):
            heir = min(rest, key=lambda other: (-other.affiliation, not other.account, other.since))
            changed.append(msgspec.structs.replace(heir, affiliation=Affiliation.OWNER))
        await self._groups.changes.members(group, member.jid, changed, tell_leaving=False)

    async def account_moved(self, account: Account, left: Account) -> None:
        """Members keep their place, whatever their address is. Can be repeated."""
        for document in await self._store.documents(account.id, MEMBERSHIPS):
            with contextlib.suppress(StanzaError):  # the group does not exist any more
                await self._groups.in_turn(
                    parse_jid(document.key),
                    lambda group: self._groups.changes.moved(group, left.jid, account.jid),
                )
