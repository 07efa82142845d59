"""XEP-0133: Service Administration. Commands that disable accounts, enable them again, and list them.

A disabled account is a suspended one (`kith.records.bans`); ``kith user suspend`` and the admin API do the
same.
"""

from __future__ import annotations

from collections.abc import Sequence

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.randomness import Randomness
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.sessions.bans import Bans
from kith.features.commands import Commands, Outcome, Values
from kith.features.operator_facts import MAX_ITEMS, counting, listing
from kith.features.operators import ACCOUNTS, Operators
from kith.records.audit import Audit
from kith.records.bans import Ban
from kith.wire.errors import StanzaError

_BY = "xmpp"


class OperatorSuspensions(Feature):
    """The commands about disabled accounts (XEP-0133 §4.3, §4.4, §4.14, §4.19)."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        randomness: Randomness,
        accounts: Accounts,
        bans: Bans,
        commands: Commands,
        audit: Audit,
    ) -> None:
        self._domain = domain
        self._clock = clock
        self._randomness = randomness
        self._accounts = accounts
        self._bans = bans
        self._operators = Operators(config, domain, accounts, commands, audit)
        showing = Operators(config, domain, accounts, commands)
        self._operators.add("disable-user", "Suspend accounts", self._disable, ACCOUNTS)
        self._operators.add("reenable-user", "End suspensions of accounts", self._enable, ACCOUNTS)
        count, show = counting(self._all, "disabledusersnum"), listing(self._all, "disableduserjids")
        showing.add("get-disabled-users-num", "Count suspended accounts", count)
        showing.add("get-disabled-users-list", "List suspended accounts", show, MAX_ITEMS)

    async def _disable(self, values: Values) -> Outcome:
        jids = await self._operators.existing(values["accountjids"])
        if any(jid.bare in self._operators.names for jid in jids):
            raise StanzaError("not-allowed", "operators can't be suspended")
        for jid in jids:
            account = await self._accounts.load(jid.bare)
            if account is None:
                continue
            id, now = self._randomness.hex(4), self._clock.now()
            ban = Ban(id, "suspension", jid.local, now, _BY, account=account.id)
            await self._bans.records.put(ban)
        await self._bans.load()
        return Outcome(f"{len(jids)} suspended.")

    async def _enable(self, values: Values) -> Outcome:
        jids = await self._operators.existing(values["accountjids"])
        suspended = {ban.account: ban for ban in self._suspensions()}
        count = 0
        for jid in jids:
            account = await self._accounts.load(jid.bare)
            ban = suspended.get(account.id) if account is not None else None
            count += ban is not None and await self._bans.records.remove(ban)
        await self._bans.load()
        return Outcome(f"{count} can be used again.")

    def _suspensions(self) -> list[Ban]:
        now = self._clock.now()
        return [ban for ban in self._bans.list.all if ban.kind == "suspension" and not ban.is_over(now)]

    async def _all(self) -> Sequence[str]:
        return sorted(f"{ban.value}@{self._domain.name}" for ban in self._suspensions())
