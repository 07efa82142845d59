"""`kith invite`: creates an invitation, a link with which one person can create an account."""

from __future__ import annotations

import sys

import segno

from kith.base.clock import Clock
from kith.base.numbers import canonical
from kith.base.randomness import Randomness
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.users import checked_jid, with_store
from kith.config import Config
from kith.ports.store import Store
from kith.records.invites import Invite, Invites, Taken, page_url, uri
from kith.terminal import say
from kith.wire.jid import prepare_local


def invite(config: Config, contact: str | None, name: str | None, days: float) -> None:
    """Creates and prints an invitation. It can't be shown again, since the database has only its hash.

    ``contact``: an account that the new one becomes a contact of. ``name``: the only user name that may be
    chosen. ``days``: until it expires.
    """
    bare = checked_jid(config, contact) if contact else ""
    try:
        local = canonical(prepare_local(name)) if name else ""
    except ValueError:
        fail(f"{name!r} can't be a user name")
    made = Invite(Clock().now() + days * 86400, bare, local)

    async def create(store: Store) -> str | None:
        if bare and await store.account(bare) is None:
            return None
        if local and await store.account(f"{local}@{config.domain}") is not None:
            raise Taken(f"there is an account {local}@{config.domain} already")
        token = await Invites(store, Clock(), Randomness()).create(made)
        await note(store, "invitation.create", bare, f"for the name {local}" if local else "")
        return token

    try:
        token = with_store(config, create)
    except (OverflowError, Taken) as error:
        fail(str(error))
    if token is None:
        fail(f"there is no account {bare}")
    url = page_url(config, token)
    say(f"An invitation to {config.domain}, for one account, valid for {days:g} days:\n")
    say(f"  {url}\n  {uri(config.domain, token, made)}\n")
    if sys.stdout.isatty():
        segno.make(url, error="m").terminal(compact=True)
    if not config.invites:
        say("Nobody can use it yet: set registration = invite.", sys.stderr)
