"""Changes the number of an account: all data move to the new address, and contacts are notified (XEP-0283).

For 90 days, an empty account at the old address states the new address. Contacts on this server get the new
address in their rosters, as XEP-0283 allows for a server that has verified the move. Contacts on other
servers get the moved notification, and can check it against the statement at the old address. An interrupted
move continues at the next start.
"""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element, SubElement

import msgspec
import structlog

from kith.accounts.codes import Codes
from kith.accounts.devices import Logins
from kith.accounts.errors import Refused
from kith.accounts.numbers import is_number, shown
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.numbers import canonical
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Item
from kith.core.hooks.table import Hooks
from kith.core.routing.post import Post
from kith.core.routing.server_messages import ServerMessages
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.bans import Bans
from kith.core.sessions.removal import Removal
from kith.core.sessions.sessions import Sessions
from kith.ports.store import AccountRecord, Store
from kith.records.moves import Move, Moves
from kith.records.passwords import Passwords
from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")


class Moving:
    """Changes numbers."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        passwords: Passwords,
        post: Post,
        subscriptions: Subscriptions,
        sessions: Sessions,
        removal: Removal,
        bans: Bans,
        hooks: Hooks,
        tasks: Tasks,
        codes: Codes,
        logins: Logins,
        messages: ServerMessages,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._passwords = passwords
        self._post = post
        self._subscriptions = subscriptions
        self._sessions = sessions
        self._removal = removal
        self._bans = bans
        self._hooks = hooks
        self._tasks = tasks
        self._codes = codes
        self._logins = logins
        self._messages = messages
        self._moves = Moves(store)
        self._one = asyncio.Lock()

    async def move(self, record: AccountRecord, number: str, code: str, address: str) -> str:
        """Moves an account to a number (E.164). ``code``: the code that was sent to this number.

        ``address``: the IP address of the request. Returns the new bare address. Raises Refused.
        """
        new = JID(number, self._domain.name).bare
        if new == record.jid:
            raise Refused("conflict", "That is the account's number already.")
        if record.jid in self._config.operators:  # whoever gets the old number later would be an operator
            raise Refused("conflict", "The setting operators names this number. It has to change first.")
        await self._codes.check(number, code, address)
        if (ban := self._bans.of_registration(new)) is not None:
            raise Refused("banned", ban.text)
        async with self._one:
            current = await self._store.account(record.jid)
            if current is None or current.id != record.id:
                raise Refused("conflict", "The number was changed in the meantime.")
            if (ban := self._bans.of_account(record.id, record.jid)) is not None:
                raise Refused("account-disabled", ban.text)
            await self.free(new)
            if await self._store.account(new) is not None:
                raise Refused("conflict", "The number has an account. Delete that one first.")
            await self._move(record, new)
        return new

    async def _move(self, record: AccountRecord, new: str) -> None:
        """Renames the account. Raises Refused if the address was taken in the meantime."""
        move = Move(record.id, new, self._clock.now())
        await self._moves.put(record.jid, move)
        if not await self._store.rename_account(record.jid, new):
            await self._moves.remove(record.jid)
            raise Refused("conflict", "The number was taken in the meantime.")
        await self._finish(record.jid, move)

    async def has_left(self, bare: str) -> bool:
        """Whether an account has left this address, which only leads to its new one."""
        return await self._moves.find(bare) is not None

    async def free(self, bare: str) -> None:
        """Frees an address that an account has left, so that it can be used again."""
        if await self._moves.find(bare) is None:
            return
        account = await self._accounts.load(bare)
        if account is not None:
            await self._removal.remove(account, wholly=True)
        await self._moves.remove(bare)
        await self._hooks.address_freed(parse_jid(bare))

    async def _finish(self, old: str, move: Move) -> None:
        """Updates what depends on the address, once the account has its new one. Can be repeated."""
        stale = self._accounts.get(old)
        if stale is not None and stale.id == move.account:
            self._end_sessions(stale, move.new)
            await self._removal.forget(stale)
        for bare in (old, move.new):
            self._accounts.appeared(bare)
        record = await self._store.account(move.new)
        account, stub = await self._accounts.load(move.new), await self._accounts.load(old)
        if record is None or account is None:
            return
        for app in await self._passwords.apps.all(record.id):
            await self._logins.revoke_app(record, app.id)  # its salt belongs to the old address
        if stub is not None:
            await self._hooks.account_moved(account, stub)
        await self._redirect(old, account)
        for item in list(await self._accounts.roster(move.new)):
            try:
                await self._notify_contact(old, account, item)
            except ValueError as error:  # an invalid address
                self._tasks.failed("a contact can't be notified of a new number", error)
        number = shown(account.address.local)
        self._messages.tell(account, f"Your number is now {number}. Devices and contacts have moved with it.")
        move.done = True
        await self._moves.put(old, move)

    async def _redirect(self, old: str, account: Account) -> None:
        """Makes earlier addresses of the account refer to the newest one too."""
        for earlier, move in (await self._moves.all()).items():
            stub = await self._accounts.load(earlier) if move.new == old else None
            if stub is not None:
                move.new = account.jid
                await self._moves.put(earlier, move)
                await self._hooks.account_moved(account, stub)

    def _end_sessions(self, account: Account, new: str) -> None:
        for session in list(account.sessions.values()):
            self._sessions.end(session, StreamError("not-authorized", f"the account is {new} now"))

    async def _notify_contact(self, old: str, account: Account, item: Item) -> None:
        contact = parse_jid(item.jid)
        if self._post.is_local(contact):
            if await self._may_know(contact, old, account):
                await self._change_roster(contact.bare, old, account.jid)
        elif item.from_ or item.to or item.ask:
            moved = Element(ns.tag(ns.MOVED, "moved"))
            SubElement(moved, ns.tag(ns.MOVED, "old-jid")).text = old
            attrs = {"type": "subscribe", "from": account.jid, "to": contact.bare}
            self._post.route(Stanza.build("presence", attrs, moved), account.address, contact)

    async def _may_know(self, contact: JID, old: str, account: Account) -> bool:
        """Whether a contact may learn of the move, which is not the case if either has blocked the other."""
        if await self._accounts.load(contact.bare) is None:
            return False
        for address in (account.address, parse_jid(old)):
            news = Stanza.build("presence", {"from": address.bare, "to": contact.bare})
            if not self._post.allows(address, contact, news):
                return False
        return True

    async def _change_roster(self, contact: str, old: str, new: str) -> None:
        """Puts the new address into a contact's roster. Name, groups and subscription stay."""
        account = await self._accounts.load(contact)
        if account is None:
            return
        roster = await self._accounts.roster(contact)
        before = roster[old]
        if not before.listed and before.request is None:
            return
        item = msgspec.structs.replace(before, jid=new, seq=0)
        await roster.save(self._store, item)
        gone = Item(old)
        await roster.save(self._store, gone)
        for changed in (gone, item):
            self._subscriptions.push(account, roster, changed)

    async def clean(self) -> None:
        """Finishes interrupted moves, and frees expired old addresses. Has to be called once a day.

        A move that can't be finished does not prevent the others.
        """
        moves = await self._moves.all()
        for old, move in moves.items():
            try:
                await self._clean(old, move)
            except Exception as error:
                self._tasks.failed("a change of number can't be finished", error)
        for bare in await self._store.accounts():
            local, _, domain = bare.partition("@")
            if is_number(local) and canonical(local) != local and bare not in moves:
                try:
                    await self._rename(bare, JID(canonical(local), domain).bare)
                except Exception as error:  # continue with the other accounts
                    self._tasks.failed("an account can't be moved to the current form of its number", error)

    async def _rename(self, old: str, new: str) -> None:
        """Moves an account whose address was created when numbers were normalized in another way."""
        async with self._one:
            record = await self._store.account(old)
            if record is None:
                return
            if await self._store.account(new) is not None:
                logger.warning("a number has two accounts", older=old, account=new)
                return
            await self._move(record, new)

    async def _clean(self, old: str, move: Move) -> None:
        record = await self._store.account(move.new)
        if not move.done and record is not None and record.id == move.account:
            async with self._one:
                await self._finish(old, move)
        elif move.is_over(self._clock.now()) or not move.done:
            async with self._one:
                await self.free(old) if move.done else await self._moves.remove(old)
