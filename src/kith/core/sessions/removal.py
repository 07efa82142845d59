"""Removes accounts: on request of their owner, by an operator's command, or after `kith user delete`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial

from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.table import Hooks
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.sessions import Sessions
from kith.ports.store import Store
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza


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

    async def remove(self, account: Account) -> None:
        """Ends the subscriptions (RFC 6121 §3.2 and §3.3) and deletes everything that belongs to the account.

        Its sessions end, and the features are told, as soon as the address is free.
        """
        await self._take_leave(account)
        await self._store.delete_account(account.jid, partial(self.forget, account))

    async def remove_soon(self, account: Account, but: Collection[Session] = ()) -> None:
        """As `remove`, but returns as soon as the address is free. The log is deleted in the background.

        ``but``: sessions that still get an answer; they end when the caller calls `forget`.
        """
        await self._take_leave(account)
        free: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def ended() -> None:
            if but:
                self._end_sessions(account, but)
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

        self._tasks.spawn(delete())
        await free

    async def forget(self, account: Account) -> None:
        """Ends the sessions of an account that was deleted from the store, and tells the features."""
        self._end_sessions(account)
        self._accounts.drop(account)
        await self._hooks.account_deleted(account.address)

    async def _take_leave(self, account: Account) -> None:
        roster = await self._accounts.roster(account.jid)
        for item in list(roster):
            for type, needed in (("unsubscribe", item.to or item.ask), ("unsubscribed", item.from_)):
                if needed:
                    stanza = Stanza.build("presence", {"type": type, "from": account.jid, "to": item.jid})
                    try:
                        await self._subscriptions.send(account, stanza, parse_jid(item.jid))
                    except StanzaError:
                        continue
        self._accounts.drop(account)

    def _end_sessions(self, account: Account, but: Collection[Session] = ()) -> None:
        for session in list(account.sessions.values()):
            if session not in but:
                self._sessions.end(session, StreamError("not-authorized", "the account was removed"))
