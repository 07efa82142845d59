"""Adds people by phone number to the roster. If two have added each other, they see each other's presence.

No subscription request is sent, and the other person gets no notification: the roster only notes that they
may see the presence. Neither this nor the answer depends on whether the number has an account.
"""

from __future__ import annotations

from collections.abc import Sequence

from kith.accounts.errors import Refused
from kith.base.domain import Domain
from kith.base.numbers import canonical
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import MAX_ITEMS
from kith.core.hooks.table import Hooks
from kith.core.routing.presence import Presence
from kith.core.routing.subscriptions import Subscriptions
from kith.ports.store import AccountRecord, DocumentStore
from kith.records.device import clean
from kith.wire.jid import JID


class Contacts:
    """Adds numbers (E.164) to rosters."""

    def __init__(
        self,
        domain: Domain,
        store: DocumentStore,
        accounts: Accounts,
        subscriptions: Subscriptions,
        presence: Presence,
        hooks: Hooks,
    ) -> None:
        self._domain = domain
        self._store = store
        self._accounts = accounts
        self._subscriptions = subscriptions
        self._presence = presence
        self._hooks = hooks

    async def add(self, record: AccountRecord, people: Sequence[tuple[str, str]]) -> int:
        """Adds people, given as (number, name). Returns how many were new. Raises Refused."""
        added = 0
        for number, name in people:
            bare = JID(canonical(number), self._domain.name).bare
            if bare != record.jid:
                added += await self._add(record, bare, clean(name))
        return added

    async def _add(self, record: AccountRecord, bare: str, name: str) -> bool:
        account = await self._accounts.load(record.jid)
        if account is None:
            raise Refused("not-found", "The account was deleted.")
        roster = await self._accounts.roster(record.jid)
        item = roster[bare]
        if (item.to and item.from_) or (item.listed and (item.approved or item.from_)):
            new = False
        else:
            if not item.listed and len(roster) >= MAX_ITEMS:
                raise Refused("conflict", f"The maximum of {MAX_ITEMS} contacts is reached.")
            item.name, item.listed, item.approved, new = item.name or name, True, not item.from_, True
            await roster.save(self._store, item)
            self._subscriptions.push(account, roster, item)
        if not (item.to and item.from_):
            other = await self._accounts.load(bare)
            theirs = (await self._accounts.roster(bare))[record.jid] if other is not None else None
            if theirs is not None and theirs.listed and (theirs.approved or theirs.from_):
                await self._subscriptions.befriend(record.jid, bare)
                self._introduce(record.jid, bare)
        return new

    def _introduce(self, one: str, other: str) -> None:
        """Sends each of two accounts the current presence of the other."""
        for bare, viewer in ((one, other), (other, one)):
            account, seen = self._accounts.get(bare), self._accounts.get(viewer)
            if account is not None and seen is not None:
                self._presence.show(account, seen.address)
                self._hooks.subscription_approved(account.address, seen.address)
