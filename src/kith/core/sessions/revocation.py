"""Ends the sessions that were opened with credentials that are no longer valid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.sessions.sessions import Sessions
from kith.ports.store import Keys, Store
from kith.records.device import Device
from kith.records.devices import Devices
from kith.records.passwords import Passwords
from kith.wire.errors import StanzaError, StreamError


class Revocation:
    """Ends sessions when their device was revoked, or their password changed."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        sessions: Sessions,
        devices: Devices,
        passwords: Passwords,
        hooks: Hooks,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._devices = devices
        self._passwords = passwords
        self._hooks = hooks

    async def forgotten(self, jid: str, gone: Iterable[Device]) -> None:
        """Ends the sessions of removed devices and app passwords.

        Features remove their keys from the OMEMO device list (`device_revoked`).
        """
        for device in gone:
            self.end_device(jid, device.id)
            if (account := await self._accounts.load(jid)) is not None:
                await self._hooks.device_revoked(account, device.omemo)

    async def new_password(self, account: Account, password: str, but: Session | None = None) -> None:
        """Sets a password. Tokens become invalid, and all sessions except ``but`` end.

        Raises StanzaError if the password is not allowed.
        """
        await self._store.set_keys(account.jid, await self.keys(password))
        await self._devices.forget(account.id)
        self.password_changed(account.id, account.jid, but)

    async def keys(self, password: str) -> dict[str, Keys]:
        """Derives the keys of a new password. Raises StanzaError if the password is not allowed."""
        try:
            return await asyncio.to_thread(self._passwords.make, password)
        except ValueError as error:
            raise StanzaError("not-acceptable", str(error)) from None

    def password_changed(self, account: int, jid: str, but: Session | None = None) -> None:
        """Ends the sessions, and the logins in progress, that used the previous password."""
        self._passwords.changed(account)
        for session in list(self._accounts.sessions(jid)):
            if session is not but:
                self._sessions.end(session, StreamError("not-authorized", "the password was changed"))

    def end_device(self, jid: str, device: str) -> None:
        """Ends the sessions of a revoked device or app password."""
        for session in self._accounts.sessions(jid):
            if device in (session.device, session.credential):
                self._sessions.end(session, StreamError("not-authorized", "the device was revoked"))
