"""The accounts that this node owns, with a cache of those that are in use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from kith.base.domain import Domain
from kith.base.tasks import Told
from kith.core.actors.account import Account, Session
from kith.core.actors.roster import Roster
from kith.ports.placement import Placement
from kith.ports.store import Document, Keys, Store
from kith.wire.errors import StanzaError
from kith.wire.jid import JID

logger = structlog.get_logger("kith")


class Elsewhere(StanzaError, Told):
    """Another node owns the account, which may or may not exist.

    Work under way that meets it has lost its slot, which is nothing to tell an operator.
    """

    def __init__(self) -> None:
        super().__init__("recipient-unavailable", type="wait")


class Accounts:
    """Loads accounts of ``domain``, and caches them by bare address.

    Accounts with sessions stay in the cache.

    ``placement`` says which accounts this node owns. ``loaded`` is awaited before an account is used for
    the first time, with its documents in ``spaces``.
    """

    def __init__(
        self,
        domain: Domain,
        store: Store,
        placement: Placement,
        loaded: Callable[[Account, Mapping[str, Sequence[Document]]], Awaitable[None]],
        spaces: Sequence[str],
        size: int = 20_000,
    ) -> None:
        self._domain = domain
        self._store = store
        self._placement = placement
        self._loaded = loaded
        self._spaces = spaces
        self._size = size
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        #: The account of a bare address if it is in the cache, else None. Accounts with sessions always are.
        self.get: Callable[[str], Account | None] = self._accounts.get
        self._absent: OrderedDict[str, None] = OrderedDict()
        self._loading: dict[str, asyncio.Future[Account | None]] = {}
        self._lost = 0  # how often slots were lost

    def is_known_missing(self, jid: str) -> bool:
        """Whether it is known that the account does not exist."""
        return jid in self._absent

    def appeared(self, jid: str) -> None:
        """An account was created, so it is no longer known to be missing."""
        self._absent.pop(jid, None)

    async def create(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        """Makes accounts: bare addresses and the keys of their passwords, if they have one.

        Returns the addresses that there are accounts for now and were none for before.
        """
        made = await self._store.create_accounts(accounts)
        for jid in made:
            self.appeared(jid)
            logger.info("account created", account=jid)
        return made

    async def load(self, jid: str) -> Account | None:
        """The account of a bare address, or None. Raises Elsewhere if another node owns it."""
        account = self._accounts.get(jid)
        if account is not None:
            self._accounts.move_to_end(jid)
            return account
        if not self._placement.owns(jid):
            raise Elsewhere
        if jid in self._absent:
            return None
        future = self._loading.get(jid)
        if future is None:
            future = asyncio.get_running_loop().create_task(self._fetch(jid))
            self._loading[jid] = future
        return await asyncio.shield(future)

    async def id_of(self, jid: JID) -> int | None:
        """The id of the account at an address, or None. Raises Elsewhere."""
        if not self._domain.holds(jid) or not jid.local:
            return None
        account = await self.load(jid.bare)
        return account.id if account is not None else None

    async def roster(self, bare: str) -> Roster:
        """The roster of an account. Raises StanzaError if the account does not exist or is elsewhere."""
        account = await self.load(bare)
        if account is None:
            raise StanzaError("item-not-found")
        if account.roster is None:
            roster = await Roster.load(self._store, account.id)
            if account.roster is None:
                account.roster = roster
        return account.roster

    def sessions(self, bare: str) -> Sequence[Session]:
        """The bound sessions of an account."""
        account = self._accounts.get(bare)
        return list(account.sessions.values()) if account is not None else ()

    async def _fetch(self, jid: str) -> Account | None:
        try:
            return await self._read(jid)
        finally:
            del self._loading[jid]

    async def _read(self, jid: str) -> Account | None:
        lost = self._lost
        account = await self.prepare(jid)
        if account is None:
            self._absent[jid] = None
            if len(self._absent) > self._size:
                self._absent.popitem(last=False)
            return None
        if not self._placement.owns(jid):
            raise Elsewhere
        if lost != self._lost:  # another node may have owned it in the meantime, and changed it
            return await self._read(jid)
        self.add(account)
        return account

    async def prepare(self, jid: str) -> Account | None:
        """Reads an account, or returns None. Nobody else sees it before `add`."""
        record = await self._store.account(jid)
        if record is None:
            return None
        account = Account(record)
        await self._loaded(account, await self._store.documents_of(account.id, self._spaces))
        return account

    def add(self, account: Account) -> None:
        """Adds an account to the cache."""
        self._accounts[account.jid] = account
        self._make_room()

    def _make_room(self) -> None:
        for _ in range(64):
            if len(self._accounts) <= self._size:
                return
            jid, account = next(iter(self._accounts.items()))
            if account.sessions:
                self._accounts.move_to_end(jid)
            else:
                self.drop(account)

    def drop(self, account: Account) -> None:
        """Removes an account from the cache."""
        if self._accounts.get(account.jid) is account:
            del self._accounts[account.jid]

    async def refresh(self) -> list[Account]:
        """Compares the cache with the store, which another process has changed.

        Returns accounts that no longer exist.
        """
        self._absent.clear()
        there = set(await self._store.accounts())
        return [account for jid, account in self._accounts.items() if jid not in there]

    def of_slot(self, slot: int) -> list[Account]:
        """The cached accounts in a slot that was lost. Forgets which accounts are missing."""
        self._lost += 1
        self._absent.clear()
        return [account for account in self.all() if self._placement.slot(account.jid) == slot]

    def all(self) -> list[Account]:
        """All cached accounts."""
        return list(self._accounts.values())
