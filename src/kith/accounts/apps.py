"""App passwords: created on demand for other XMPP clients, shown once, and revoked like devices."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from kith.accounts.devices import Logins
from kith.accounts.errors import Refused
from kith.base.randomness import Randomness
from kith.core.actors.accounts import Accounts
from kith.ports.store import AccountRecord
from kith.records.app_passwords import MAX_PASSWORDS, AppPassword, random_password
from kith.records.device import clean
from kith.records.passwords import Passwords


class Apps:
    """What an owner can do with app passwords (`kith.records.app_passwords`)."""

    def __init__(
        self, randomness: Randomness, accounts: Accounts, passwords: Passwords, logins: Logins
    ) -> None:
        self._randomness = randomness
        self._accounts = accounts
        self._passwords = passwords
        self._logins = logins
        self._apps = passwords.apps
        self._lock = asyncio.Lock()

    async def all(self, record: AccountRecord) -> list[AppPassword]:
        """The app passwords of an account, the oldest first."""
        return await self._apps.all(record.id)

    def online(self, record: AccountRecord, id: str) -> bool:
        """Whether a connected session has logged in with an app password."""
        sessions = self._accounts.sessions(record.jid)
        return any(session.credential == id and session.sink is not None for session in sessions)

    async def make(self, record: AccountRecord, name: str) -> tuple[AppPassword, str]:
        """Creates an app password. Returns it and the password itself. Raises Refused."""
        if record.keys:
            raise Refused("conflict", "This account has a password; standard clients use that.")
        password = random_password(self._randomness)
        others = await self._apps.all(record.id)
        keys = await asyncio.to_thread(self._passwords.make_app_keys, record.jid, password, others)
        async with self._lock:
            if len(await self._apps.all(record.id)) >= MAX_PASSWORDS:
                raise Refused("conflict", f"There are {MAX_PASSWORDS} app passwords; revoke one first.")
            return await self._apps.add(record.id, clean(name) or "App", keys), password

    async def rename(self, record: AccountRecord, id: str, name: str) -> AppPassword:
        """Renames an app password. Raises Refused."""
        changed = await self._apps.change(record.id, id, name=clean(name) or "App")
        if changed is None:
            raise Refused("not-found", "There is no such app password.")
        return changed

    async def revoke(self, record: AccountRecord, id: str) -> None:
        """Revokes an app password: ends its sessions, and invalidates the tokens obtained with it.

        Raises Refused.
        """
        await self._logins.revoke_app(record, id)


def uri(address: str, password: str) -> str:
    """The URI for a QR code: the address (RFC 5122), with what a client needs to log in."""
    return f"xmpp:{quote(address, safe='@+')}?login;password={quote(password, safe='')}"
