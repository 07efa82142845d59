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
from kith.wire.jid import parse_jid


def export_(config: Config, jids: list[str], everybody: bool, output: Path | None, force: bool) -> None:
    """Writes the accounts and rooms with these addresses, or all, into a file for the current user alone.

    ``output``: by default, a new file in the working directory, with the date in its name; ``-`` is
    standard output. The file appears when it is complete. A server may run on the folder.
    """
    if everybody == bool(jids):
        fail("name the accounts to export, or use --all")
    service = f"groups.{config.domain}"
    rooms = [parse_jid(jid).bare for jid in jids if jid.rpartition("@")[2].lower() == service]
    wanted = [checked_jid(config, jid) for jid in jids if jid.rpartition("@")[2].lower() != service]
    target = output or Path(f"{config.domain}-{datetime.now():%Y-%m-%d}.xml")
    to_pipe = str(target) == "-"
    if not to_pipe and target.exists() and not force:
        fail(f"{target} exists; name another file with --output, or use --force")

    async def work(store: Store, file: BinaryIO) -> tuple[int, int, int]:
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
        taken = await exporter.rooms(await store.groups() if everybody else rooms)
        if not everybody and taken < len(rooms):
            fail("there is no such room")
        exporter.end()
        which = "all" if everybody else ", ".join([*names, *rooms])
        await note(store, "export", which, f"{count} accounts, {taken} rooms")
        return count, taken, exporter.messages

    if to_pipe:
        with_store(config, lambda store: work(store, sys.stdout.buffer))
        return
    part = target.with_name(f".{target.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            count, taken, messages = with_store(config, lambda store: work(store, file))
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        fail(f"can't write {target}: {error.strerror}")
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    rooms_too = f" and {taken} room{'' if taken == 1 else 's'}" if taken else ""
    say(
        f"{target}: {count} account{'' if count == 1 else 's'}{rooms_too} with {messages} archived "
        f"message{'' if messages == 1 else 's'}. "
        "Keep it secret: passwords can be guessed with its SCRAM keys."
    )
