"""`kith user suspend`, `ban` and so on: excludes people from the server, and lifts that again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from rich.table import Table

from kith.accounts.errors import Refused
from kith.admin.exclusions import Exclusions
from kith.admin.targets import ban_value, guess_kind
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.commands.audit import actor
from kith.commands.fail import fail
from kith.commands.tables import show_table
from kith.commands.times import local_time, utc_time
from kith.commands.users import with_store
from kith.config import Config
from kith.records.bans import Ban, Kind, Scope
from kith.terminal import one_line, say

_T = TypeVar("_T")


def suspend(config: Config, who: str, reason: str, note: str, days: float) -> None:
    """Suspends an account."""
    ban = _run(config, lambda exclusions: exclusions.suspend(actor(), who, reason, note, days))
    say(f"{ban.value}@{config.domain} is suspended{_until(ban)}. Messages for it are kept.")


def resume(config: Config, who: str) -> None:
    """Ends the suspension of an account."""
    ban = _run(config, lambda exclusions: exclusions.resume(actor(), who))
    say(f"{ban.value}@{config.domain} is no longer suspended.")


def ban(
    config: Config,
    targets: Sequence[str],
    kind: Kind | None,
    new_only: bool,
    reason: str,
    note: str,
    days: float,
) -> None:
    """Bans what each text names. ``kind``: what they are; None: guess."""
    scope: Scope = "registration" if new_only else "all"

    for text in targets:  # all or nothing
        try:
            ban_value(config, kind or guess_kind(text), text)
        except ValueError as error:
            fail(str(error))

    async def work(exclusions: Exclusions) -> list[Ban]:
        return [
            await exclusions.ban(actor(), kind or guess_kind(text), text, scope, reason, note, days)
            for text in targets
        ]

    for made in _run(config, work):
        who = "for new accounts" if new_only else "with existing accounts"
        say(f"Banned: {made.kind} {made.value}, {who}{_until(made)}.")


def unban(config: Config, target: str) -> None:
    """Lifts a ban, by what it is of or by its id."""

    async def work(exclusions: Exclusions) -> Ban:
        for ban in await exclusions.all():
            if target in (ban.id, ban.value) or (ban.kind != "suspension" and _names(config, ban, target)):
                return await exclusions.lift(actor(), ban.id)
        raise Refused("not-found", f"{target} is not banned; see: kith user bans")

    lifted = _run(config, work)
    say(f"No longer {'suspended' if lifted.kind == 'suspension' else 'banned'}: {lifted.value}.")


def show(config: Config, as_json: bool) -> None:
    """Lists suspensions and bans."""
    bans = _run(config, lambda exclusions: exclusions.all())
    if as_json:
        for ban in bans:
            values = {name: getattr(ban, name) for name in ("id", "kind", "value", "scope", "by")}
            words = {"reason": ban.reason, "note": ban.note}
            times = {"made": utc_time(ban.made), "until": utc_time(ban.until)}
            say(json.dumps({**values, **times, **words}, ensure_ascii=False))
        return
    if not bans:
        say("Nobody is suspended or banned.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("ID", "KIND", "OF", "FOR", "SINCE", "BY", "UNTIL", "TOLD", "NOTE"):
        table.add_column(column, no_wrap=column == "ID", overflow="fold")
    for ban in bans:
        scope = "new accounts" if ban.scope == "registration" else "everything"
        texts = (ban.value, scope, local_time(ban.made), ban.by, local_time(ban.until), ban.reason, ban.note)
        table.add_row(ban.id, ban.kind, *(one_line(text) for text in texts))
    show_table(table)


def _names(config: Config, ban: Ban, text: str) -> bool:
    """Whether a text names what a ban is of, in another notation."""
    try:
        return ban_value(config, ban.kind, text) == ban.value
    except ValueError:
        return False


def _run(config: Config, work: Callable[[Exclusions], Awaitable[_T]]) -> _T:
    """Works on the bans, whether or not a server is running. Ends the program if that is refused."""
    try:
        return with_store(
            config, lambda store: work(Exclusions(config, store, Clock(), Randomness())), changes=True
        )
    except Refused as error:
        text = str(error)
        fail(text[:1].lower() + text[1:].rstrip("."))


def _until(ban: Ban) -> str:
    return f", until {local_time(ban.until)}" if ban.until else ""
