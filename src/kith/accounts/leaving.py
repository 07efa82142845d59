"""The end of an account, asked for by its owner."""

from __future__ import annotations

from kith.accounts.errors import Refused
from kith.accounts.pin import Pins
from kith.core.actors.accounts import Accounts
from kith.core.sessions.removal import Removal
from kith.ports.store import AccountRecord, Store
from kith.wire.jid import parse_jid


class Leaving:
    """Removes accounts, and what is left of them in the files of the store."""

    def __init__(self, store: Store, accounts: Accounts, removal: Removal, pins: Pins) -> None:
        self._store = store
        self._accounts = accounts
        self._removal = removal
        self._pins = pins
        self._left = True  # maybe, from before the server was started

    async def leave(self, record: AccountRecord, address: str, pin: str) -> None:
        """All that is the account's own goes, its sessions end, contacts are told. Raises Refused.

        ``address``: the account's own, as a confirmation. The PIN is asked for, if there is one.
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
            await self._removal.remove(account)
        self._left = True

    async def clean(self) -> None:
        """What accounts that have left held is overwritten in the store's files; to be called often."""
        if self._left and await self._store.tidy():
            self._left = False
