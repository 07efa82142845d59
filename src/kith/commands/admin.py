"""`kith admin`: tokens for the HTTP admin API, and the audit log."""

from __future__ import annotations

import json

from rich.table import Table

from kith.accounts.errors import Refused
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.commands.audit import actor, note
from kith.commands.fail import fail
from kith.commands.tables import show_table
from kith.commands.times import local_time
from kith.commands.users import with_store
from kith.config import Config
from kith.ports.store import Store
from kith.records.admin_tokens import AdminToken, AdminTokens
from kith.records.audit import Action, Audit
from kith.terminal import one_line, say

_MAX_NAME = 60


def create_token(config: Config, name: str, read_only: bool, days: float) -> None:
    """Creates and prints a token. It can't be shown again, since the database has only its hash."""
    name = one_line(name)
    if not name or len(name) > _MAX_NAME:
        fail(f"a name has 1 to {_MAX_NAME} characters; it appears in the audit log")

    async def create(store: Store) -> str:
        if any(token.name == name for token in await _tokens(store).all()):
            raise Refused("conflict", f"there is a token {name} already; see: kith admin token list")
        text, made = await _tokens(store).create(name, not read_only, days, actor().name)
        await note(store, "token.create", name, "" if made.write else "read only")
        return text

    try:
        say(with_store(config, create))
    except (OverflowError, Refused) as error:
        fail(str(error))


def show_tokens(config: Config) -> None:
    """Lists the tokens, without themselves."""
    tokens = with_store(config, lambda store: _tokens(store).all())
    if not tokens:
        say("There are no tokens.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("ID", "NAME", "MAY", "MADE", "BY", "LAST USED", "EXPIRES"):
        table.add_column(column, no_wrap=column == "ID", overflow="fold")
    for token in tokens:
        may = "change" if token.write else "read"
        when = [local_time(token.made), token.by, local_time(token.used) or "never", _expiry(token)]
        table.add_row(token.id, token.name, may, *when)
    show_table(table)


def revoke_token(config: Config, wanted: str) -> None:
    """Revokes a token by its id or name. A running server refuses it at once."""

    async def revoke(store: Store) -> AdminToken | None:
        for token in await _tokens(store).all():
            if wanted in (token.id, token.name):
                await note(store, "token.revoke", token.name)
                return await _tokens(store).revoke(token.id)
        return None

    revoked = with_store(config, revoke)
    if revoked is None:
        fail(f"there is no token {wanted}; see: kith admin token list")
    say(f"The token {revoked.name} was revoked.")


def show_log(config: Config, count: int, as_json: bool) -> None:
    """Lists the last entries of the audit log, the newest last."""

    async def read(store: Store) -> list[tuple[str, Action]]:
        return (await Audit(store, Clock(), Randomness()).page(limit=count))[0]

    entries = [entry for _, entry in reversed(with_store(config, read))]
    if as_json:
        for entry in entries:
            say(json.dumps({name: getattr(entry, name) for name in entry.__struct_fields__}))
        return
    if not entries:
        say("Nothing was done yet.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("WHEN", "WHO", "HOW", "WHAT", "TO", "DETAILS"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        texts = [one_line(text) for text in (entry.by, entry.via, entry.action, entry.target, entry.details)]
        table.add_row(local_time(entry.at), *texts)
    show_table(table)


def _tokens(store: Store) -> AdminTokens:
    return AdminTokens(store, Clock(), Randomness())


def _expiry(token: AdminToken) -> str:
    if not token.expires:
        return "never"
    return "expired" if token.expires <= Clock().now() else local_time(token.expires)
