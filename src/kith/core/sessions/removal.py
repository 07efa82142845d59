"""Removes accounts: on request of their owner, by an operator's command, or after `kith user delete`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.sessions import Sessions
from kith.ports.store import Store
from kith.wire.errors import StreamError

logger = structlog.get_logger("kith")


class Removal:
    """Ends the subscriptions of an account, deletes its data, and ends its sessions."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        subscriptions: Subscriptions,
        sessions: Sessions,
        hooks: Hooks,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._subscriptions = subscriptions
        self._sessions = sessions
        self._hooks = hooks
        self._tasks = tasks

    async def remove(self, account: Account, asking: Collection[Session] = (), wholly: bool = False) -> None:
        """Ends the subscriptions (RFC 6121 §3.2 and §3.3) and deletes everything that belongs to the account.

        As soon as the address is free, the sessions end, the features' hooks are called, and this returns.
        The log is then deleted in the background; with ``wholly``, this waits for that too. ``asking``:
        sessions that still get an answer, and end in the next iteration of the event loop.
        """
        await self._subscriptions.leave(account)
        free: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def ended() -> None:
            if asking:
                self._end_sessions(account, asking)
            else:
                await self.forget(account)
            if not free.done():
                free.set_result(None)

        async def delete() -> None:
            try:
                await self._store.delete_account(account.jid, ended)
            except Exception as error:
                if free.done():
                    raise
                free.set_exception(error)
            if not free.done():  # the account did not exist
                free.set_result(None)

        if wholly:
            await self._store.delete_account(account.jid, ended)
        else:
            self._tasks.spawn(delete())
            await free
        logger.info("account removed", account=account.jid)
        if asking:
            self._tasks.spawn(self.forget(account))

    async def forget(self, account: Account) -> None:
        """Ends the sessions of an account that was deleted from the store, and calls `account_deleted`."""
        self._end_sessions(account)
        self._accounts.drop(account)
        await self._hooks.account_deleted(account.address)

    def _end_sessions(self, account: Account, but: Collection[Session] = ()) -> None:
        for session in list(account.sessions.values()):
            if session not in but:
                self._sessions.end(session, StreamError("not-authorized", "the account was removed"))
