"""Suspends accounts and bans people, and lifts that again.

This works on the store alone. A running server then has to read the bans (`kith.core.sessions.bans`), which
it does by itself when a command has written them.
"""

from __future__ import annotations

from collections.abc import Sequence

from kith.accounts.errors import Refused
from kith.admin.targets import account_address, ban_value
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.text import one_line
from kith.config import Config
from kith.ports.store import AccountRecord, Store
from kith.records.audit import Actor, Audit
from kith.records.bans import Ban, BanRecords, Kind, Scope
from kith.records.moves import Moves

_DAY = 86400.0
#: How long the texts of a ban may be, in characters.
MAX_TEXT = 500
#: The maximum number of bans.
MAX_BANS = 20_000


class Exclusions:
    """Changes bans, and notes that in the audit log."""

    def __init__(self, config: Config, store: Store, clock: Clock, randomness: Randomness) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._records = BanRecords(store)
        self._audit = Audit(store, clock, randomness)

    async def suspend(self, actor: Actor, address: str, reason: str, note: str, days: float) -> Ban:
        """Suspends an account. ``days``: until it ends; 0: until it is lifted. Raises Refused."""
        record = await self.account(address)
        self._refuse_operator(record.jid)
        ban = self._make(actor, "suspension", record.jid.partition("@")[0], "all", reason, note, days)
        ban.account = record.id
        await self._records.put(ban)
        await self._audit.note(actor, "suspend", record.jid, _details(ban))
        return ban

    async def ban(
        self, actor: Actor, kind: Kind, text: str, scope: Scope, reason: str, note: str, days: float
    ) -> Ban:
        """Bans what ``text`` names. Raises Refused."""
        try:
            value = ban_value(self._config, kind, text)
        except ValueError as error:
            raise Refused("bad-request", f"{error}.") from None
        if kind in ("account", "number"):
            bare = f"{value}@{self._config.domain}"
            self._refuse_operator(bare)
            if (move := await Moves(self._store).find(bare)) is not None:
                raise Refused("conflict", f"{bare} is {move.new} now. Ban that one.")
        if len(await self._records.all()) >= MAX_BANS:
            raise Refused("conflict", f"There are {MAX_BANS} bans. Lift some.")
        ban = self._make(actor, kind, value, scope, reason, note, days)
        await self._records.put(ban)
        await self._audit.note(actor, "ban", f"{kind} {value}", _details(ban))
        return ban

    async def lift(self, actor: Actor, id: str) -> Ban:
        """Lifts a ban or a suspension. Raises Refused."""
        for ban in await self._records.all():
            if ban.id == id and await self._records.remove(ban):
                action, target = "unban", f"{ban.kind} {ban.value}"
                if ban.kind == "suspension":
                    action, target = "resume", f"{ban.value}@{self._config.domain}"
                await self._audit.note(actor, action, target)
                return ban
        raise Refused("not-found", "There is no such ban.")

    async def resume(self, actor: Actor, address: str) -> Ban:
        """Lifts the suspension of an account. Raises Refused."""
        record = await self.account(address)
        for ban in await self._records.all():
            if ban.kind == "suspension" and ban.account == record.id:
                return await self.lift(actor, ban.id)
        raise Refused("not-found", f"{record.jid} is not suspended.")

    async def all(self) -> Sequence[Ban]:
        """All bans in force. Those that have ended, or whose account was removed, are deleted."""
        now, found = self._clock.now(), []
        for ban in await self._records.all():
            if ban.is_over(now) or (ban.kind == "suspension" and not await self._exists(ban)):
                await self._records.remove(ban)
            else:
                found.append(ban)
        return found

    async def _exists(self, ban: Ban) -> bool:
        """Whether a suspended account still exists, perhaps with another address."""
        record = await self._store.account(f"{ban.value}@{self._config.domain}")
        if record is not None and record.id == ban.account:
            return True
        return any(move.account == ban.account for move in (await Moves(self._store).all()).values())

    async def account(self, text: str, exactly: bool = False) -> AccountRecord:
        """The account that an operator names. Raises Refused.

        If its address was changed, that is the account at the new one; with ``exactly``, it is refused.
        """
        try:
            bare = account_address(self._config.domain, text)
        except ValueError as error:
            raise Refused("not-found", f"{error}.") from None
        if (move := await Moves(self._store).find(bare)) is not None:
            if exactly:
                raise Refused("conflict", f"{bare} is {move.new} now.")
            bare = move.new
        record = await self._store.account(bare)
        if record is None:
            raise Refused("not-found", f"There is no account {bare}.")
        return record

    def _refuse_operator(self, bare: str) -> None:
        if bare in self._config.operators:
            raise Refused("conflict", f"{bare} is an operator. Change the setting first.")

    def _make(
        self, actor: Actor, kind: Kind, value: str, scope: Scope, reason: str, note: str, days: float
    ) -> Ban:
        now = self._clock.now()
        until = now + days * _DAY if days else 0.0
        reason, note = one_line(reason)[:MAX_TEXT], one_line(note)[:MAX_TEXT]
        return Ban(self._randomness.hex(4), kind, value, now, actor.name, until, scope, reason, note)


def _details(ban: Ban) -> str:
    parts = ["new accounts only"] if ban.scope == "registration" else []
    parts += [f"reason: {ban.reason}"] if ban.reason else []
    parts += [f"note: {ban.note}"] if ban.note else []
    return "; ".join(parts)
