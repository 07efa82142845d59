"""XEP-0133: Service Administration.

Commands that list accounts and who is online, and show details of one account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kith.base.domain import Domain
from kith.base.ids import stamp
from kith.config import Config
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import QUERY
from kith.core.hooks.feature import Feature
from kith.features.commands import Commands, Outcome, Values
from kith.features.forms import Field
from kith.features.last_activity import LastActivity
from kith.features.operators import ACCOUNT, ACCOUNTS, Operators
from kith.ports.store import AccountStore
from kith.wire import ns
from kith.wire.errors import StanzaError

#: How many addresses a list has, and the numbers to choose from (XEP-0133 §4.18).
MAX_LISTED = 1000
_CHOICES = ("25", "50", "75", "100", "150", "200", "none")
MAX_ITEMS = Field("max_items", ("none",), "list-single", "How many to show", _CHOICES)
_SHOW = ns.tag(ns.CLIENT, "show")
_AWAY = ("away", "xa")

_Find = Callable[[], Awaitable[Sequence[str]]]


def is_idle(session: Session) -> bool:
    """Whether presence says that the user is away.

    The client state is not used, since it is private (XEP-0352 §6).
    """
    show = session.presence.child(_SHOW) if session.presence is not None else None
    return show is not None and (show.text or "").strip() in _AWAY


class OperatorFacts(Feature):
    """Commands that show facts.

    Active users have a client whose presence is not away; idle ones have only others.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        store: AccountStore,
        accounts: Accounts,
        commands: Commands,
        last: LastActivity,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._last_activity = last
        self._operators = operators = Operators(config, domain, accounts, commands)
        for name, find, number, list_node, list_field in (
            (
                "registered",
                self._registered,
                "registeredusersnum",
                "registered-users-list",
                "registereduserjids",
            ),
            ("online", self._online, "onlineusersnum", "online-users-list", "onlineuserjids"),
            ("active", self._active, "activeusersnum", "active-users", "activeuserjids"),
            ("idle", self._idle, "idleusersnum", "idle-users", "idleuserjids"),
        ):
            who = "the accounts" if name == "registered" else f"who is {name}"
            node = f"get-{name}-users-num"
            operators.add(node, f"Count {who}", counting(find, number))
            operators.add(f"get-{list_node}", f"List {who}", listing(find, list_field), MAX_ITEMS)
        for node, title, run, field in (
            ("get-user-roster", "Show the contacts of an account", self._roster, ACCOUNTS),
            ("get-user-lastlogin", "When an account was last there", self._last, ACCOUNTS),
            ("user-stats", "What an account has", self._statistics, ACCOUNT),
        ):
            operators.add(node, title, run, field)

    # -- many ------------------------------------------------------------------------------------

    async def _registered(self) -> Sequence[str]:
        return await self._store.accounts()

    def _there(self) -> list[Account]:
        return [account for account in self._accounts.all() if account.available()]

    async def _online(self) -> Sequence[str]:
        return sorted(account.jid for account in self._there())

    async def _active(self) -> Sequence[str]:
        return sorted(a.jid for a in self._there() if not all(map(is_idle, a.available())))

    async def _idle(self) -> Sequence[str]:
        return sorted(a.jid for a in self._there() if all(map(is_idle, a.available())))

    # -- one -------------------------------------------------------------------------------------

    async def _one(self, texts: Sequence[str]) -> Account:
        """Parses the address of one existing account. Raises StanzaError."""
        if len(texts) != 1:
            raise StanzaError("bad-request", "one account at a time")
        (jid,) = await self._operators.existing(texts)
        account = await self._accounts.load(jid.bare)
        if account is None:
            raise StanzaError("item-not-found")
        return account

    async def _roster(self, values: Values) -> Outcome:
        account = await self._one(values["accountjids"])
        query = Element(QUERY)
        query.extend(item.element() for item in await self._accounts.roster(account.jid))
        return Outcome(fields=(Field("accountjids", (account.jid,)),), inside=(query,))

    async def _last(self, values: Values) -> Outcome:
        account = await self._one(values["accountjids"])
        moment = await self._last_activity.seen(account)
        last = "never" if moment is None else stamp(datetime.fromtimestamp(moment, UTC))
        return Outcome(fields=(Field("accountjids", (account.jid,)), Field("lastlogin", (last,))))

    async def _statistics(self, values: Values) -> Outcome:
        account = await self._one(values["accountjid"])
        resources = [session.jid.resource for session in account.available()]
        fields = [
            Field("rostersize", (str(len(await self._accounts.roster(account.jid))),)),
            Field("onlineresources", resources),
        ]
        return Outcome(fields=fields)


def counting(find: _Find, field: str) -> Callable[[Values], Awaitable[Outcome]]:
    """A command that counts what ``find`` finds. ``field``: the name of the result's field."""

    async def count(values: Values) -> Outcome:
        return Outcome(fields=(Field(field, (str(len(await find())),)),))

    return count


def listing(find: _Find, field: str) -> Callable[[Values], Awaitable[Outcome]]:
    """A command that lists what ``find`` finds, with `MAX_ITEMS` as a field of its form."""

    async def show(values: Values) -> Outcome:
        asked = (values.get("max_items") or ["none"])[0]
        if asked not in _CHOICES:
            raise StanzaError("bad-request", "max_items is not one of those that are offered")
        most = MAX_LISTED if asked == "none" else int(asked)
        found = await find()
        note = f"{most} of {len(found)} are shown." if len(found) > most else ""
        return Outcome(note, (Field(field, found[:most], "jid-multi"),))

    return show
