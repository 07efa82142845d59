"""``/api/admin/people``: the accounts: list, show, add and remove them, and set their passwords."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kith.accounts.apps import Apps
from kith.accounts.credentials import MAX_BYTES
from kith.accounts.errors import Refused, count
from kith.accounts.leaving import Leaving
from kith.admin.exclusions import Exclusions
from kith.admin.people import Facts, People, Wanted
from kith.admin.targets import account_address
from kith.admin.ties import Ties
from kith.api.admin.person_types import (
    Person,
    PersonAddress,
    PersonDetails,
    PersonDevice,
    PersonPage,
    PersonPassword,
    PersonSession,
    Storage,
)
from kith.api.admin.types import ADDRESS, Ban
from kith.api.endpoint import Call, endpoint
from kith.api.types import moment, whole
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.rates import RateLimit
from kith.config import Config
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.sessions.bans import Bans
from kith.core.sessions.revocation import Revocation
from kith.ports.store import AccountRecord, Store
from kith.records.audit import Audit
from kith.wire.errors import StanzaError

_PATH = "/api/admin/people/{address}"
_LIST: dict[str, Any] = {
    "query": {
        "type": "string",
        "pattern": whole(r"[\s\S]{0,100}"),
        "description": "A part of the address or the name.",
    },
    "state": {
        "type": "string",
        "pattern": whole("(active|suspended|banned|online)?"),
        "description": "Only these; empty: everybody.",
    },
    "sort": {"type": "string", "pattern": whole("(address|last_seen)?"), "description": "The order."},
    "after": {
        "type": "string",
        "pattern": whole(r"[\s\S]{0,3300}"),
        "description": "`next` of the page before.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
}

#: How many lists one operator may ask for at once, and in how many seconds as many more. A list may have to
#: read all accounts.
LISTS = (120, 60.0)


@contextmanager
def _weak_refused() -> Iterator[None]:
    """Refuses a password that can't be one."""
    try:
        yield
    except StanzaError as error:
        raise Refused("weak-password", f"{error.text.capitalize()}.") from None


class NewPerson(msgspec.Struct, forbid_unknown_fields=True):
    """A new account."""

    address: Annotated[str, Meta(min_length=1, max_length=1100)]
    password: Annotated[str, Meta(min_length=1, max_length=MAX_BYTES)]


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """A new password."""

    password: Annotated[str, Meta(min_length=1, max_length=MAX_BYTES)]


class LiveAccounts:
    """Who is online, on this node (`kith.admin.people.Live`)."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def is_online(self, bare: str) -> bool:
        return any(session.sink is not None for session in self._accounts.sessions(bare))


class PeopleResource:
    """The endpoints. What they change is in the audit log."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        revocation: Revocation,
        bans: Bans,
        exclusions: Exclusions,
        people: People,
        apps: Apps,
        leaving: Leaving,
        audit: Audit,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._lists = RateLimit(*LISTS)
        self._adding_up = asyncio.Lock()  # reading a long log must not keep all readers of the store busy
        self._store = store
        self._accounts = accounts
        self._revocation = revocation
        self._bans = bans
        self._exclusions = exclusions
        self._people = people
        self._apps = apps
        self._leaving = leaving
        self._audit = audit

    # -- reading -----------------------------------------------------------------------------------

    @endpoint("GET", "/api/admin/people", "List people", parameters=_LIST)
    async def list(self, call: Call) -> PersonPage:
        count(self._lists, call.actor, self._clock.steady())
        asked = call.query
        wanted = Wanted(
            asked.get("query", ""),
            asked.get("state", ""),
            asked.get("sort", ""),
            asked.get("after", ""),
            int(asked.get("limit", "50")),
        )
        found = await self._people.list(wanted, self._bans.list)
        now = self._clock.now()
        return PersonPage([Person.of(one, now) for one in found.people], found.total, found.next)

    @endpoint("GET", _PATH, "Show a person", refusals=("not-found",), parameters=ADDRESS)
    async def get(self, call: Call) -> PersonDetails:
        record = await self._record(call)
        facts = await self._people.one(record.jid, self._bans.list)
        if facts is None:
            raise Refused("not-found", "The account was removed.")
        return await self._details(facts, record)

    async def _details(self, facts: Facts, record: AccountRecord) -> PersonDetails:
        now, sessions = self._clock.now(), self._accounts.sessions(record.jid)
        connected = {session.device for session in sessions if session.sink is not None}
        devices = sorted(facts.devices, key=lambda device: -device.used)
        ties = await Ties.of(self._store, record)
        async with self._adding_up:
            usage = await self._store.usage(record.id)
        return PersonDetails(
            **msgspec.structs.asdict(Person.of(facts, now)),
            devices_list=[PersonDevice.of(device, device.id in connected, now) for device in devices],
            app_passwords=[
                PersonPassword.of(one, self._apps.online(record, one.id))
                for one in await self._apps.all(record)
            ],
            sessions=[PersonSession.of(session) for session in sessions],
            addresses=[
                PersonAddress(one.address, moment(one.first), moment(one.last)) for one in facts.addresses
            ],
            storage=Storage.of(usage),
            contacts=ties.contacts,
            password=facts.password,
            reports=ties.reports,
            bans=[Ban.of(ban) for ban in facts.bans],
            moved_from=ties.former,
        )

    # -- accounts ----------------------------------------------------------------------------------

    @endpoint(
        "POST",
        "/api/admin/people",
        "Add an account",
        status=201,
        refusals=("banned", "conflict", "weak-password"),
    )
    async def add(self, call: Call, request: NewPerson) -> Person:
        try:
            bare = account_address(self._domain.name, request.address)
        except ValueError as error:
            raise Refused("bad-request", f"{error}.") from None
        self._refuse_operator(call, bare)
        if (ban := self._bans.of_registration(bare)) is not None:
            raise Refused("banned", f"{bare} is banned ({ban.kind} {ban.value}). Lift the ban first.")
        with _weak_refused():
            keys = await self._revocation.keys(request.password)
        if not await self._accounts.create([(bare, keys)]):
            raise Refused("conflict", f"{bare} exists.")
        await self._audit.note(call.actor, "account.add", bare)
        facts = await self._people.one(bare, self._bans.list)
        if facts is None:
            raise Refused("conflict", "The account was removed at once.")
        return Person.of(facts, self._clock.now())

    @endpoint(
        "DELETE",
        _PATH,
        "Remove an account",
        status=204,
        refusals=("not-found", "conflict"),
        parameters=ADDRESS,
    )
    async def remove(self, call: Call) -> None:
        """Deletes messages, contacts, devices and settings, ends all sessions, and notifies contacts.

        This can't be undone. Bans stay, so that a banned number can't register again. Accounts of operators
        are removed by a command only.
        """
        await self._exclusions.account(call.path["address"], exactly=True)
        account = await self._account(call)
        self._refuse_operator(call, account.jid)
        await self._leaving.remove(account)
        await self._audit.note(call.actor, "account.remove", account.jid)

    @endpoint(
        "PUT",
        f"{_PATH}/password",
        "Set a password",
        status=204,
        refusals=("not-found", "conflict", "weak-password"),
        parameters=ADDRESS,
    )
    async def password(self, call: Call, request: NewPassword) -> None:
        """Logs out all devices, and ends all sessions. Not for accounts of other operators."""
        account = await self._account(call)
        self._refuse_operator(call, account.jid)
        with _weak_refused():
            await self._revocation.new_password(account, request.password)
        await self._audit.note(call.actor, "account.password", account.jid)

    # -- finding -----------------------------------------------------------------------------------

    def _refuse_operator(self, call: Call, bare: str) -> None:
        """Refuses what would make a stolen token last, or lock an operator out. Commands can do it."""
        if bare in self._config.operators and bare != call.actor.name:
            raise Refused("conflict", f"{bare} is an operator. Use `kith user` on the server for that.")

    async def _record(self, call: Call) -> AccountRecord:
        return await self._exclusions.account(call.path["address"])

    async def _account(self, call: Call) -> Account:
        record = await self._record(call)
        account = await self._accounts.load(record.jid)
        if account is None:
            raise Refused("not-found", "The account was removed.")
        return account
