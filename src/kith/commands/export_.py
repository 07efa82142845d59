"""`kith export`: writes accounts as XEP-0227, which other servers read, and `kith import`."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from kith.base.clock import Clock
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.users import checked_jid, with_store
from kith.config import Config
from kith.moving.exporting import Exporter
from kith.ports.store import Store
from kith.records.moves import Moves
from kith.terminal import say


def export_(config: Config, jids: list[str], everybody: bool, output: Path | None, force: bool) -> None:
    """Writes the accounts with these addresses, or all, into a file that only the current user can read.

    ``output``: by default, a new file in the working directory, with the date in its name; ``-`` is
    standard output. The file appears when it is complete. A server may run on the folder.
    """
    if everybody == bool(jids):
        fail("name the accounts to export, or use --all")
    wanted = [checked_jid(config, jid) for jid in jids]
    target = output or Path(f"{config.domain}-{datetime.now():%Y-%m-%d}.xml")
    to_pipe = str(target) == "-"
    if not to_pipe and target.exists() and not force:
        fail(f"{target} exists; name another file with --output, or use --force")

    async def work(store: Store, file: BinaryIO) -> tuple[int, int]:
        moved = await Moves(store).all()  # these only say which number an account has now
        names = [jid for jid in await store.accounts() if jid not in moved] if everybody else wanted
        exporter = Exporter(store, Clock(), config.domain, file)
        exporter.begin()
        count = 0
        for jid in names:
            record = await store.account(jid)
            if record is not None:
                await exporter.account(record)
                count += 1
            elif not everybody:
                fail(f"there is no account {jid}")
        exporter.end()
        await note(store, "export", "all" if everybody else ", ".join(names), f"{count} accounts")
        return count, exporter.messages

    if to_pipe:
        with_store(config, lambda store: work(store, sys.stdout.buffer))
        return
    part = target.with_name(f".{target.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            count, messages = with_store(config, lambda store: work(store, file))
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        fail(f"can't write {target}: {error.strerror}")
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    say(
        f"{target}: {count} account{'' if count == 1 else 's'} with {messages} archived "
        f"message{'' if messages == 1 else 's'}. "
        "Keep it secret: passwords can be guessed with its SCRAM keys."
    )
