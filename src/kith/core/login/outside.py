"""Logins with a password that is checked by an organisation's directory (`kith.ports.directory`)."""

from __future__ import annotations

import structlog

from kith.core.actors.accounts import Accounts
from kith.core.login.sasl import NotChecked
from kith.ports.directory import Directory, DirectoryUnavailable
from kith.ports.store import AccountRecord, Store
from kith.records.directory import DirectoryAccounts
from kith.wire.jid import parse_jid

logger = structlog.get_logger("kith")


class DirectoryLogin:
    """Checks passwords, and creates the account of a person who logs in for the first time.

    An account with a password of its own, which an operator has given it, belongs to nobody in the directory.
    Nor does that of a phone number: whose it is, only a code shows.
    """

    def __init__(self, directory: Directory, store: Store, accounts: Accounts) -> None:
        self._directory = directory
        self._store = store
        self._accounts = accounts
        self._known = DirectoryAccounts(store)

    async def check(self, bare: str, record: AccountRecord | None, password: str) -> AccountRecord | None:
        """The account of a bare address, if this is the person's password in the directory, else None.

        Raises NotChecked if the directory does not answer.
        """
        name = parse_jid(bare).local if bare else ""
        if not name or name.startswith("+") or (record is not None and record.keys):
            return None
        try:
            correct = await self._directory.check(name, password)
        except DirectoryUnavailable as error:
            logger.error("the directory can't check a password", error=str(error))
            raise NotChecked("passwords can't be checked at the moment; try again soon") from None
        if not correct:
            return None
        await self._known.note(bare)
        if record is None:
            await self._accounts.create([(bare, {})])
            record = await self._store.account(bare)
        return record
