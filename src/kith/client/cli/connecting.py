"""The client of an account that a command has chosen."""

from __future__ import annotations

from kith.client.accounts import Account
from kith.client.client import Client


def client_of(account: Account, password: str | None) -> Client:
    """A client that is not open yet. Raises InvalidAddress."""
    return Client(
        account.jid,
        password,
        data=account.data,
        host=account.host,
        port=account.port,
        insecure=account.insecure,
    )
