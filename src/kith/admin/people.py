"""What operators see of accounts: who they are, when they were last there, where, and what they take up.

It reads the store. What only a running server knows (who is online) comes from `Live`; a command that runs
without a server has none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from operator import itemgetter
from typing import Literal, Protocol

from kith.accounts.numbers import is_number
from kith.admin.names import NAME_SPACES, name_in
from kith.config import Config
from kith.ports.store import Document, Overview, Store
from kith.records import device as devices
from kith.records.addresses_seen import SPACE as ADDRESSES
from kith.records.addresses_seen import AddressSeen, stored
from kith.records.bans import Ban, BanList
from kith.records.device import Device
from kith.records.devices import SPACE as DEVICES
from kith.records.moves import Moves
from kith.records.readable import readable

State = Literal["active", "suspended", "banned"]
_LAST = "last"
#: The spaces of documents that are read for each account, and those that are only read for its name.
_SPACES = (_LAST, DEVICES, ADDRESSES)
#: How many accounts are read at once.
_PAGE = 100


class Live(Protocol):
    """What only a running server knows."""

    def is_online(self, bare: str) -> bool:
        """Whether a client of the account is connected."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An account, as it is listed.

    ``last_seen``: seconds since 1970; 0 if it never was online. ``bans``: those that apply to it, except
    those for new accounts.
    """

    id: int
    jid: str
    name: str
    online: bool
    last_seen: float
    devices: Sequence[Device]
    addresses: Sequence[AddressSeen]
    bans: Sequence[Ban]
    password: bool
    operator: bool = False

    @property
    def number(self) -> str:
        """The account's phone number; empty if it has none."""
        local = self.jid.partition("@")[0]
        return local if is_number(local) else ""

    def fits(self, query: str, state: str) -> bool:
        """Whether the address or the name contains a text, and the state is this one (`Wanted.state`)."""
        query = query.casefold()
        if query and query not in self.jid.casefold() and query not in self.name.casefold():
            return False
        return self.online if state == "online" else state in ("", self.state)

    @property
    def state(self) -> State:
        """Whether the account can be used."""
        if any(ban.kind != "suspension" for ban in self.bans):
            return "banned"
        return "suspended" if self.bans else "active"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts to list.

    ``query``: a part of the address or the name. ``state``: a `State`, ``online`` or empty. ``after``: where
    the previous page has ended.
    """

    query: str = ""
    state: str = ""
    sort: str = "address"
    after: str = ""
    limit: int = 50


@dataclass(slots=True)
class Listed:
    """A page. ``total``: how many accounts there are in all pages. ``next``: for `Wanted.after`."""

    people: list[Facts] = field(default_factory=list)
    total: int = 0
    next: str = ""


class People:
    """Reads facts about accounts."""

    def __init__(self, config: Config, store: Store, live: Live | None) -> None:
        self._config = config
        self._store = store
        self._live = live

    async def list(self, wanted: Wanted, bans: BanList) -> Listed:
        """A page of accounts. Addresses that only lead to a new one are left out."""
        if wanted.sort != "last_seen" and not wanted.query and not wanted.state:
            return await self._page(wanted, bans)
        total = 0
        best: list[tuple[str, Facts]] = []  # the first ones after `wanted.after`; more than are shown
        async for one in self._walk(bans, "", names=bool(wanted.query)):
            if not one.fits(wanted.query, wanted.state):
                continue
            total += 1
            if (key := _key(one, wanted.sort)) > wanted.after:
                best.append((key, one))
            if len(best) > 4 * wanted.limit:
                best = nsmallest(wanted.limit + 1, best, itemgetter(0))
        best = nsmallest(wanted.limit + 1, best, itemgetter(0))
        shown = best[: wanted.limit]
        named = [await self._named(one) for _, one in shown]
        return Listed(named, total, shown[-1][0] if len(best) > wanted.limit else "")

    async def _page(self, wanted: Wanted, bans: BanList) -> Listed:
        """A page of all accounts by address, which does not need to read the others."""
        shown: list[Facts] = []
        async for one in self._walk(bans, wanted.after, names=True):
            if len(shown) == wanted.limit:
                break
            shown.append(one)
        else:
            return Listed(shown, await self._count())
        return Listed(shown, await self._count(), shown[-1].jid)

    async def _count(self) -> int:
        left = await Moves(self._store).all()
        return sum(jid not in left for jid in await self._store.accounts())

    async def all(self, bans: BanList, names: bool = False) -> Sequence[Facts]:
        """All accounts, by address. ``names``: whether to read their names too, which takes longer."""
        return [one async for one in self._walk(bans, "", names)]

    async def _walk(self, bans: BanList, after: str, names: bool) -> AsyncIterator[Facts]:
        """The accounts whose addresses come after ``after``, in order.

        Few are read at once, so that the event loop is not blocked for long.
        """
        left = await Moves(self._store).all()
        spaces = (*_SPACES, *NAME_SPACES) if names else _SPACES
        while page := await self._store.overview(spaces, after, _PAGE):
            after = page[-1].jid
            for one in page:
                if one.jid not in left:
                    yield self._facts(one, bans)

    async def one(self, jid: str, bans: BanList) -> Facts | None:
        """The facts about the account with a bare address; None if there is none."""
        record = await self._store.account(jid)
        if record is None:
            return None
        kept = await self._store.documents_of(record.id, (*_SPACES, *NAME_SPACES))
        return self._facts(Overview(record.id, jid, bool(record.keys), kept), bans)

    async def _named(self, one: Facts) -> Facts:
        """The same facts with the account's name."""
        if one.name:
            return one
        return replace(one, name=name_in(await self._store.documents_of(one.id, NAME_SPACES)))

    def _facts(self, account: Overview, bans: BanList) -> Facts:
        kept = account.documents
        known = [device for _, device in readable(kept[DEVICES], devices.decode, "device")]
        online = self._live is not None and self._live.is_online(account.jid)
        left = max((_number(document) for document in kept[_LAST]), default=0.0)
        return Facts(
            account.id,
            account.jid,
            name_in(kept),
            online,
            max([left, *(device.used for device in known)]),
            known,
            stored(kept[ADDRESSES]),
            self._bans(account, bans),
            account.password,
            account.jid in self._config.operators,
        )

    def _bans(self, account: Overview, bans: BanList) -> Sequence[Ban]:
        found = bans.of_account(account.id, account.jid.removesuffix(f"@{self._config.domain}"))
        exempt = account.jid in self._config.operators
        return [
            ban for ban in found if ban.scope == "all" and not (exempt and ban.kind in ("prefix", "country"))
        ]


def _key(one: Facts, sort: str) -> str:
    """A text by which the list is sorted. That of the last time goes backwards."""
    return f"{10**12 - int(one.last_seen):013} {one.jid}" if sort == "last_seen" else one.jid


def _number(document: Document) -> float:
    return float(document.value) if document.value.isdigit() else 0.0
