"""How an account goes: by its owner, by the operator beside a running server, by an operator's command."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.account import Account
    from kith.core.domain import Domain


async def remove(domain: Domain, account: Account, answer_first: bool = False) -> None:
    """Takes leave of the contacts (RFC 6121 §3.2 and §3.3) and deletes all that belongs to the account.

    Its sessions end, and the features are told, as soon as the address is free; or, if one of the sessions is
    to be answered first, when the caller calls `forget`.
    """
    roster = await domain.roster(account.jid)
    for item in list(roster):
        for type, needed in (("unsubscribe", item.to or item.ask), ("unsubscribed", item.from_)):
            if needed:
                stanza = Stanza.build("presence", {"type": type, "from": account.jid, "to": item.jid})
                try:
                    await domain.subscriptions.send(account, stanza, parse_jid(item.jid))
                except StanzaError:
                    continue
    domain.directory.drop(account)
    ended = None if answer_first else partial(forget, domain, account)
    await domain.store.delete_account(account.jid, ended)


async def forget(domain: Domain, account: Account) -> None:
    """Ends the sessions of an account that is gone, and tells the features."""
    for session in list(account.sessions.values()):
        domain.end_stream(session, StreamError("not-authorized", "the account was removed"))
        domain.close_session(session)
    domain.directory.drop(account)
    await domain.hooks.account_deleted(account.address)
