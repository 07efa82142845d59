"""`kith media`: usage, expiry and verification of the files that people have sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.table import Table

from kith.base.clock import Clock
from kith.commands.fail import fail
from kith.commands.sizes import size
from kith.commands.tables import show_table
from kith.config import Config
from kith.media import records
from kith.media.database import MediaDatabaseError
from kith.media.depot import Depot
from kith.media.upkeep import Upkeep
from kith.media.verifying import Finding
from kith.media.verifying import verify as look
from kith.ports.blobs import BlobError
from kith.terminal import one_line, say

_T = TypeVar("_T")


def usage(config: Config, most: int) -> None:
    """Prints the totals and the accounts that use the most."""

    async def read(depot: Depot) -> tuple[tuple[int, int], list[tuple[str, str, int]], int]:
        total = await depot.database.read(records.total)
        owners = await depot.database.read(lambda db: records.largest_owners(db, most))
        return total, owners, await depot.free()

    (bytes, blobs), owners, free = _run(config, read)
    say(f"{blobs} files with {size(bytes)}; room for {size(max(free, 0))} until media_free_bytes is left.")
    if not owners:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("ACCOUNT", "USES", "OF"):
        table.add_column(column)
    of = size(config.media_account_bytes) if config.media_account_bytes else "no limit"
    for id, address, used in owners:
        table.add_row(one_line(address) or f"number {id}", size(used), of)
    show_table(table)


def expire(config: Config) -> None:
    """Removes what nobody claims any more."""
    blobs, bytes = _run(config, lambda depot: Upkeep(depot).expire())
    say(f"{blobs} files with {size(bytes)} removed.")


def verify(config: Config, remove: bool) -> None:
    """Lists what is wrong, and ends the program with status 1 if something is."""

    async def run(depot: Depot) -> tuple[int, int]:
        seen = wrong = 0
        async for found in look(depot):
            if isinstance(found, Finding):
                wrong += 1
                say(f"{found.blob}: {found.fault}")
                if remove and found.fault != "unreadable" and not await depot.remove(found.blob):
                    await depot.bury(found.blob)
            else:
                seen += 1
        return seen, wrong

    seen, wrong = _run(config, run)
    if wrong:
        todo = "They are removed." if remove else "To remove them: kith media verify --remove"
        say(f"{seen} files read, {wrong} are not right. {todo}")
        raise SystemExit(1)
    say(f"{seen} files read; all are as they were uploaded.")


def _run(config: Config, work: Callable[[Depot], Awaitable[_T]]) -> _T:
    """Does something with the depot. Ends the program with one line if it can't be used."""
    if not (config.media_folder / "media.sqlite").exists():
        fail(f"there are no files in {config.media_folder}; is media_dir the server's?")

    async def run() -> _T:
        depot = Depot(config, Clock())
        await depot.start(recover=False)
        try:
            return await work(depot)
        finally:
            await depot.stop()

    try:
        return asyncio.run(run())
    except (MediaDatabaseError, BlobError) as error:
        fail(str(error))
