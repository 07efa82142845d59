"""Locks out people who have left the organisation's directory (`kith.ports.directory`)."""

from __future__ import annotations

import structlog

from kith.accounts.devices import Logins
from kith.core.actors.accounts import Accounts
from kith.core.sessions.sessions import Sessions
from kith.ports.directory import Directory, DirectoryUnavailable
from kith.ports.store import AccountRecord, Store
from kith.records.directory import DirectoryAccounts
from kith.records.passwords import Passwords
from kith.wire.errors import StreamError
from kith.wire.jid import parse_jid

#: If more people than this, and more than half of all, seem to have left at once, the directory is wrong.
_FEW = 5
logger = structlog.get_logger("kith")


class Left:
    """Ends the logins of accounts whose people the directory no longer has. Their messages stay.

    If somebody is in the directory again, they can log in again.
    """

    def __init__(
        self,
        directory: Directory,
        store: Store,
        accounts: Accounts,
        sessions: Sessions,
        passwords: Passwords,
        logins: Logins,
    ) -> None:
        self._directory = directory
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._logins = logins
        self._known = DirectoryAccounts(store)
        self._failed = False

    async def check(self) -> None:
        """Looks for all accounts of the directory. To be called from time to time.

        If the directory does not answer, or seems to have lost most people, nobody is locked out.
        """
        known = await self._known.all()
        names = {parse_jid(bare).local: bare for bare in known}
        try:
            existing = await self._directory.existing(list(names))
        except DirectoryUnavailable as error:
            if not self._failed:
                logger.error("the directory does not say who has left", error=str(error))
            self._failed = True
            return
        self._failed = False
        gone = [bare for name, bare in names.items() if name not in existing]
        if len(gone) > max(_FEW, len(known) // 2):
            logger.error(
                "the directory seems to have lost most people, and nobody is locked out",
                missing=len(gone),
                of=len(known),
                todo="look at ldap_base, ldap_filter and what ldap_user may see",
            )
            return
        for bare in gone:
            await self._lock_out(bare)

    async def _lock_out(self, bare: str) -> None:
        record = await self._store.account(bare)
        if record is not None and not record.keys:
            await self._end(record)
            logger.warning("locked out: no longer in the directory", account=bare)
        await self._known.forget(bare)

    async def _end(self, record: AccountRecord) -> None:
        """Ends sessions, tokens and app passwords."""
        await self._logins.revoke_all(record)
        for app in await self._passwords.apps.all(record.id):
            await self._logins.revoke_app(record, app.id)
        for session in list(self._accounts.sessions(record.jid)):
            self._sessions.end(session, StreamError("not-authorized", "no longer in the directory"))
