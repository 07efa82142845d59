"""`kith user export`: writes everything that the server has of a person into one file."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from kith.accounts.export import export
from kith.base.clock import Clock
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.users import checked_jid, with_store
from kith.config import Config
from kith.ports.store import Store
from kith.terminal import say


def write(config: Config, jid: str, output: Path | None) -> None:
    """Writes the export of an account into a ZIP file that only the current user can read.

    ``output``: by default, a new file in the working directory, with the date in its name.
    """
    bare = checked_jid(config, jid)
    file = output or Path(f"{bare}-{datetime.now():%Y-%m-%d}.zip")

    async def work(store: Store) -> int | None:
        record = await store.account(bare)
        if record is not None:
            await note(store, "account.export", bare)
            await asyncio.to_thread(file.touch, mode=0o600, exist_ok=False)
        return await export(store, record, file, Clock().now()) if record is not None else None

    try:
        count = with_store(config, work)
    except FileExistsError:
        fail(f"{file} exists; name another file with --output")
    except OSError as error:
        fail(f"can't write {file}: {error.strerror}")
    if count is None:
        fail(f"there is no account {bare}")
    say(f"{file}: everything the server has of {bare}, with {count} message{'' if count == 1 else 's'}.")
