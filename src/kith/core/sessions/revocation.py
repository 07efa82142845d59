"""Credentials that are void: whoever was let in by them is out."""

from __future__ import annotations

from collections.abc import Iterable

from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.sessions.sessions import Sessions
from kith.ports.store import Keys, Store
from kith.records.devices import Device, Devices
from kith.records.passwords import Passwords
from kith.wire.errors import StreamError


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
        """What follows when devices, or app passwords, were forgotten: sessions end, keys go off lists."""
        for device in gone:
            self.end_device(jid, device.id)
            if (account := await self._accounts.load(jid)) is not None:
                await self._hooks.device_revoked(account.address, account.id, device.omemo)

    async def change_password(
        self, account: int, jid: str, keys: dict[str, Keys], but: Session | None = None
    ) -> None:
        """Sets new keys: tokens are void, and all sessions end but the one that asked for it."""
        await self._store.set_keys(jid, keys)
        await self._devices.forget(account)
        self.password_changed(account, jid, but)

    def password_changed(self, account: int, jid: str, but: Session | None = None) -> None:
        """Whoever was let in by the older password, or may be at this moment, is out."""
        self._passwords.changed(account)
        for session in list(self._accounts.sessions(jid)):
            if session is not but:
                self._sessions.end(session, StreamError("not-authorized", "the password was changed"))

    def end_device(self, jid: str, device: str) -> None:
        """Ends the sessions of a device, or of an app password, that was revoked."""
        for session in self._accounts.sessions(jid):
            if device in (session.device, session.credential):
                self._sessions.end(session, StreamError("not-authorized", "the device was revoked"))
