"""`kith user`: manages accounts directly in the database, which a running server may use at the same time."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from rich.progress import Progress

from kith.accounts.credentials import WeakPassword, make_keys
from kith.accounts.errors import Refused
from kith.accounts.secret import has_secret
from kith.admin.exclusions import Exclusions
from kith.admin.targets import account_address
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.commands.audit import actor, note
from kith.commands.fail import fail
from kith.commands.folder import give_to_owner, make_folder, require_folder
from kith.commands.running import take_up
from kith.config import Config
from kith.console import SafeConsole
from kith.ports.store import Keys, Store
from kith.records.bans import BanList, BanRecords
from kith.records.devices import Devices
from kith.records.passwords import new_salts
from kith.store.errors import StoreError
from kith.store.sqlite import SQLiteStore
from kith.terminal import say

_T = TypeVar("_T")
_GROUP = 200


def with_store(
    config: Config,
    work: Callable[[Store], Awaitable[_T]],
    *,
    create: bool = False,
    changes: bool = False,
) -> _T:
    """Opens the database, awaits ``work``, and returns its result. Ends the program if the store fails.

    ``create``: whether to create the data folder if there is none. Otherwise, the program ends. ``changes``:
    whether the work may have changed something that a running server should take up at once.
    """
    (make_folder if create else require_folder)(config)

    async def run() -> _T:
        used = has_secret(config.data_dir / "secret")
        store = SQLiteStore(config.database, may_create=not used, domain=config.domain)
        await store.open(look_through=False)
        try:
            return await work(store)
        finally:
            await store.close()
            give_to_owner(config.data_dir)

    try:
        result = asyncio.run(run())
    except StoreError as error:
        fail(str(error))
    if changes:
        take_up(config)
    return result


def checked_jid(config: Config, text: str) -> str:
    """As `kith.admin.targets.account_address`, but ends the program if the text is not valid."""
    try:
        return account_address(config.domain, text)
    except ValueError as error:
        fail(str(error))


def _keys(password: str) -> dict[str, Keys]:
    try:
        return make_keys(password, new_salts(Randomness()))
    except WeakPassword as error:
        fail(str(error))


def add(config: Config, jid: str, password: str) -> None:
    """Adds one account."""
    bare, keys = checked_jid(config, jid), _keys(password)

    async def create(store: Store) -> bool:
        bans = BanList(await BanRecords(store).in_force(Clock().now()))
        if found := bans.of_account(0, bare.partition("@")[0]):
            ban = found[0]
            fail(f"{bare} is banned ({ban.kind} {ban.value}); first: kith user unban {ban.value}")
        created = bool(await store.create_accounts([(bare, keys)]))
        if created:
            await note(store, "account.add", bare)
        return created

    if not with_store(config, create, create=True, changes=True):
        fail(f"{bare} exists; to change its password: kith user passwd {bare}")
    say(f"{bare} was added.")


def change_password(config: Config, jid: str, password: str) -> None:
    """Changes a password. Tokens become invalid, and a running server ends all sessions."""
    bare, keys = checked_jid(config, jid), _keys(password)

    async def change(store: Store) -> bool:
        record = await store.account(bare)
        if record is None or not await store.set_keys(bare, keys):
            return False
        await Devices(store, Clock(), Randomness()).password_changed(record.id, bare)
        await note(store, "account.password", bare)
        return True

    if not with_store(config, change, changes=True):
        fail(f"there is no account {bare}")
    say(f"The password of {bare} was changed.")


def remove(config: Config, jid: str, ban: bool) -> None:
    """Removes an account. A running server ends its sessions. ``ban``: whether to ban it before."""
    bare = checked_jid(config, jid)
    local = bare.partition("@")[0]

    async def delete(store: Store) -> bool:
        if ban and await store.account(bare) is not None:
            exclusions = Exclusions(config, store, Clock(), Randomness())
            try:
                await exclusions.ban(actor(), "account", local, "all", "", "", 0)
            except Refused as error:
                fail(str(error).rstrip("."))
        deleted = await store.delete_account(bare)
        if deleted:
            await note(store, "account.remove", bare)
        return deleted

    if not with_store(config, delete, changes=True):
        fail(f"there is no account {bare}")
    say(f"{bare} was {'banned and ' if ban else ''}removed.")


def import_file(config: Config, file: Path) -> None:
    """Adds the accounts of a CSV file.

    Ends the program with status 2 if the file can't be read, and with 1 if some lines were not used.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows, wrong = _read(config, csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fail(f"can't read {file}: {error}")
    created, existing, refused = _import(config, rows)
    wrong += refused
    console = SafeConsole(stderr=True)
    for line, reason in sorted(wrong):
        console.print(f"line {line}: {reason}", style="yellow")
    say(f"{created} accounts added, {existing} existed, {len(wrong)} lines not used.")
    if wrong:
        raise SystemExit(1)


def _read(
    config: Config, lines: Iterator[list[str]]
) -> tuple[list[tuple[int, str, str]], list[tuple[int, str]]]:
    """The good lines as (line number, address, password), and the others as (line number, reason)."""
    header = [name.strip().lower() for name in next(lines, [])]
    if header != ["jid", "password"]:
        fail("the first line of the file has to be: jid,password")
    rows: list[tuple[int, str, str]] = []
    wrong: list[tuple[int, str]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        try:
            if len(line) != 2:
                raise ValueError(f"{len(line)} columns instead of 2")
            jid = account_address(config.domain, line[0].strip())
            if jid in seen:
                raise ValueError(f"{jid} is there twice")
        except ValueError as error:
            wrong.append((number, str(error)))
            continue
        seen.add(jid)
        rows.append((number, jid, line[1]))
    return rows, wrong


def _derive(rows: list[tuple[int, str, str]]) -> list[tuple[int, str, dict[str, Keys] | str]]:
    """Derives keys from passwords, in a worker process. Instead of keys, a text says why there are none."""
    made: list[tuple[int, str, dict[str, Keys] | str]] = []
    for number, jid, password in rows:
        try:
            made.append((number, jid, make_keys(password, new_salts(Randomness()))))
        except WeakPassword as error:
            made.append((number, jid, str(error)))
    return made


def _import(config: Config, rows: list[tuple[int, str, str]]) -> tuple[int, int, list[tuple[int, str]]]:
    """Creates accounts. Returns how many were created, how many existed, and the lines that were refused."""
    groups = [rows[start : start + _GROUP] for start in range(0, len(rows), _GROUP)]
    refused: list[tuple[int, str]] = []

    async def work(store: Store) -> tuple[int, int]:
        created = tried = 0
        with (
            Progress(console=SafeConsole(stderr=True)) as progress,
            ProcessPoolExecutor(os.cpu_count()) as pool,
        ):
            task = progress.add_task("Adding accounts", total=len(rows))
            for made in pool.map(_derive, groups):
                good = [(jid, keys) for _, jid, keys in made if not isinstance(keys, str)]
                refused.extend((number, keys) for number, _, keys in made if isinstance(keys, str))
                created += len(await store.create_accounts(good))
                tried += len(good)
                progress.advance(task, len(made))
        await note(store, "account.import", details=f"{created} accounts")
        return created, tried - created

    created, existing = with_store(config, work, create=True, changes=True)
    return created, existing, refused
