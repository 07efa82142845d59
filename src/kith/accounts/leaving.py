"""Deletes accounts for their owners."""

from __future__ import annotations

from kith.accounts.errors import Refused
from kith.accounts.pin import Pins
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.sessions.removal import Removal
from kith.ports.store import AccountRecord, Store
from kith.wire.jid import parse_jid


class Leaving:
    """Deletes accounts, and overwrites their data in the files of the store."""

    def __init__(self, store: Store, accounts: Accounts, removal: Removal, pins: Pins) -> None:
        self._store = store
        self._accounts = accounts
        self._removal = removal
        self._pins = pins
        self._left = True  # maybe, from before the server was started

    async def leave(self, record: AccountRecord, address: str, pin: str) -> None:
        """Deletes an account with all its data, ends its sessions, and notifies contacts. Raises Refused.

        ``address``: the account's own address, as a confirmation. ``pin``: needed if the account has one.
        """
        try:
            own = str(parse_jid(address)) == record.jid
        except ValueError:
            own = False
        if not own:
            raise Refused("forbidden", "The address is not this account's.")
        if await self._pins.made(record.id):
            if not pin:
                raise Refused("pin-required", "This account has a PIN.")
            await self._pins.check(record.id, pin)
        account = await self._accounts.load(record.jid)
        if account is not None:
            await self._removal.remove(account, wholly=True)
        self._left = True

    async def remove(self, account: Account) -> None:
        """Deletes an account for an operator. The log may be deleted after this has returned."""
        await self._removal.remove(account)
        self._left = True

    async def clean(self) -> None:
        """Overwrites data of deleted accounts in the store's files. Has to be called regularly."""
        if self._left and await self._store.tidy():
            self._left = False
