"""`kith announce`: tells everybody something, lists what is announced, and cancels it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.tables import show_table
from kith.commands.times import local_time
from kith.commands.users import with_store
from kith.config import Config
from kith.ports.store import Store
from kith.records.announcements import RECEIVED, Announcement, Announcements
from kith.terminal import one_line, say


def announce(config: Config, text: str, days: float) -> None:
    """Announces a text, which expires after ``days``. Ends the program if it can't be announced."""

    async def add(store: Store) -> Announcement:
        made = await _all(store).add(text, days * 86400)
        await note(store, "announce", made.id)
        return made

    try:
        made = with_store(config, add, changes=True)
    except ValueError as error:
        fail(str(error))
    say(f"Announced ({made.id}). Who is online gets it at once,")
    say(f"others when they come online until {local_time(made.expires)}.")
    say(f"To cancel it: kith announce --cancel {made.id}")


def read() -> str:
    """The text on standard input. Ends the program if it is no text."""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        fail("what comes on standard input is not text in UTF-8")


def show(config: Config) -> None:
    """Lists the announcements that are not over, and how many accounts have got them."""
    found, received, accounts = with_store(config, _read)
    if not found:
        say("Nothing is announced.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("ID", "WHEN", "UNTIL", "RECEIVED", "TEXT"):
        table.add_column(column, overflow="fold")
    for one in found:
        until = "cancelled" if one.cancelled else local_time(one.expires)
        reached = f"{received[one.id]} of {accounts}"
        table.add_row(one.id, local_time(one.at), until, reached, one_line(one.text))
    show_table(table)


def cancel(config: Config, id: str) -> None:
    """Cancels an announcement. Ends the program if there is none with this id."""

    async def remove(store: Store) -> bool:
        cancelled = bool(await _all(store).cancel(id))
        if cancelled:
            await note(store, "announce.cancel", id)
        return cancelled

    if not with_store(config, remove, changes=True):
        fail(f"there is no announcement {id}; kith announce --list shows them")
    say("Cancelled. Nobody gets it any more. It disappears from devices that have it when they are online.")


def _all(store: Store) -> Announcements:
    return Announcements(store, Clock(), Randomness())


async def _read(store: Store) -> tuple[Sequence[Announcement], Counter[str], int]:
    """The announcements, how many accounts have got each, and the number of accounts."""
    found = await _all(store).all()
    received: Counter[str] = Counter()
    accounts = await store.accounts()
    for jid in accounts if found else ():
        if (record := await store.account(jid)) is not None:
            received.update(document.key for document in await store.documents(record.id, RECEIVED))
    return found, received, len(accounts)
