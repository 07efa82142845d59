"""How an account goes: by its owner, by the operator beside a running server, by an operator's command."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.actors.account import Account
    from kith.core.actors.session import Session
    from kith.core.node import Node


async def remove(domain: Node, account: Account) -> None:
    """Takes leave of the contacts (RFC 6121 §3.2 and §3.3) and deletes all that belongs to the account.

    Its sessions end, and the features are told, as soon as the address is free.
    """
    await _take_leave(domain, account)
    await domain.store.delete_account(account.jid, partial(forget, domain, account))


async def remove_soon(domain: Node, account: Account, but: Collection[Session] = ()) -> None:
    """The same, but returns as soon as the address is free: the log, however long, is emptied afterwards.

    ``but``: sessions that are to be answered first; they end when the caller calls `forget`.
    """
    await _take_leave(domain, account)
    free: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ended() -> None:
        if but:
            end_sessions(domain, account, but)
        else:
            await forget(domain, account)
        if not free.done():
            free.set_result(None)

    async def delete() -> None:
        try:
            await domain.store.delete_account(account.jid, ended)
        except Exception as error:
            if free.done():
                raise
            free.set_exception(error)
        if not free.done():  # it was gone already
            free.set_result(None)

    domain.tasks.spawn(delete())
    await free


async def _take_leave(domain: Node, account: Account) -> None:
    roster = await domain.accounts.roster(account.jid)
    for item in list(roster):
        for type, needed in (("unsubscribe", item.to or item.ask), ("unsubscribed", item.from_)):
            if needed:
                stanza = Stanza.build("presence", {"type": type, "from": account.jid, "to": item.jid})
                try:
                    await domain.subscriptions.send(account, stanza, parse_jid(item.jid))
                except StanzaError:
                    continue
    domain.accounts.drop(account)


async def forget(domain: Node, account: Account) -> None:
    """Ends the sessions of an account that is gone, and tells the features."""
    end_sessions(domain, account)
    domain.accounts.drop(account)
    await domain.hooks.account_deleted(account.address)


def end_sessions(domain: Node, account: Account, but: Collection[Session] = ()) -> None:
    """Of an account that is gone."""
    for session in list(account.sessions.values()):
        if session not in but:
            domain.sessions.end(session, StreamError("not-authorized", "the account was removed"))
