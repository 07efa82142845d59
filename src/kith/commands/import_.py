"""`kith import`: takes accounts and rooms of another server, from files of XEP-0227."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from rich.progress import Progress, TaskID
from rich.table import Table

from kith.base.clock import Clock
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.folder import is_used
from kith.commands.tables import show_table
from kith.commands.users import with_store
from kith.config import Config
from kith.console import SafeConsole
from kith.media.jobs.pool import PicturePool
from kith.moving import prosody_rooms
from kith.moving.arrival import Context
from kith.moving.importing import Importer
from kith.moving.prosody import with_stores
from kith.moving.reading import Event
from kith.moving.renaming import Renaming
from kith.moving.report import KINDS, Left, Report
from kith.moving.rooms import RoomImporter
from kith.moving.sources import Sources
from kith.moving.writes import Writes
from kith.ports.pictures import Pictures
from kith.ports.store import Store, Unavailable
from kith.store.errors import StoreError
from kith.store.folder import FolderLock, check_folder
from kith.terminal import one_line, say
from kith.wire.jid import parse_jid


def import_(
    config: Config,
    path: Path,
    domains: Sequence[str],
    dry_run: bool,
    merge: bool,
    prosody: Path | None = None,
) -> None:
    """Imports accounts and rooms. Ends with status 2 if it can't, and with 1 if something was not taken.

    ``domains``: pairs ``OLD=NEW``. ``dry_run``: whether to write nothing. ``prosody``: Prosody's data folder.

    No server may run on the folder, since it keeps contacts, nodes and the ids of messages in memory.
    """
    names = Renaming(config.domain, dict(_pair(config, text) for text in domains))
    report = Report()

    def problem(file: str, reason: str) -> None:
        report.leave("files", reason, file)

    try:
        rooms: Iterable[Event] = ()
        sources = Sources(path, problem)
        events = sources.events()
        if prosody is not None:
            for host in prosody_rooms.hosts(prosody):  # raises OSError if it is no folder
                names.add_rooms(host)
            events = with_stores(events, prosody, problem)
            rooms = prosody_rooms.rooms(prosody, problem)
    except OSError as error:
        fail(f"can't read {error.filename}: {error.strerror}")
    if not sources.count:
        fail(f"{path} has no files of XEP-0227, whose names end in .xml")
    with ExitStack() as held:
        if dry_run:
            if not is_used(config):
                empty = held.enter_context(TemporaryDirectory(prefix="kith-"))
                config = msgspec.structs.replace(config, data_dir=Path(empty))
                config.database.touch()
        else:
            try:
                check_folder(config.data_dir)
                held.callback(FolderLock(config.data_dir).release)
            except (OSError, StoreError) as error:
                fail(str(error))
        try:
            _run(config, sources, events, rooms, names, report, dry_run, merge)
        except Unavailable as error:
            fail(f"{error}; what is complete is stored, and another run continues")
    _show(report, dry_run)
    if report.left:
        raise SystemExit(1)


def _pair(config: Config, text: str) -> tuple[str, str]:
    """The old and the new domain of ``OLD=NEW``. Ends the program if they are none."""
    old, equals, new = text.partition("=")
    try:
        pair = parse_jid(old).domain, parse_jid(new).domain
    except ValueError:
        fail(f"--domain takes OLD=NEW, such as old.example={config.domain}, not {text!r}")
    if not equals or pair[1] not in (config.domain, f"groups.{config.domain}"):
        fail(
            f"this server serves {config.domain}, and rooms at groups.{config.domain}, "
            "so that is what --domain has to lead to"
        )
    return pair


def _run(
    config: Config,
    sources: Sources,
    events: Iterator[Event],
    rooms: Iterable[Event],
    names: Renaming,
    report: Report,
    dry_run: bool,
    merge: bool,
) -> None:
    with (
        Progress(console=SafeConsole(stderr=True), transient=True) as progress,
        ProcessPoolExecutor(os.cpu_count()) as workers,
    ):
        task: TaskID = progress.add_task("Reading" if dry_run else "Importing", total=sources.size)
        sources.progress = lambda count: progress.advance(task, count)

        async def take(store: Store, pictures: Pictures) -> None:
            writes = Writes(store, not dry_run)
            context = Context(store, writes, Clock(), names, report, None if dry_run else pictures)
            importer = Importer(context, merge, None if dry_run else workers)
            await importer.run(events)
            sources.progress = lambda _: None
            # the accounts of the members of rooms are there now
            again = sources.events() if importer.has_rooms else ()
            await RoomImporter(context, merge, importer.takes).run(chain(again, rooms))

        async def work(store: Store) -> None:
            pictures = PicturePool(workers=os.cpu_count() or 1)
            try:
                await take(store, pictures)
            finally:
                await pictures.close()
            if not dry_run:
                counts = f"{report.taken['accounts']} accounts, {report.taken['rooms']} rooms"
                await note(store, "import", details=counts)

        with_store(config, work, create=True)


def _show(report: Report, dry_run: bool) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("would be taken" if dry_run else "taken", "there already", "not taken"):
        table.add_column(name, justify="right")
    for kind in KINDS:
        counts = report.taken[kind], report.there[kind], report.count_left(kind)
        if any(counts) or kind == "accounts":
            table.add_row(kind, *map(str, counts))
    show_table(table)
    for (kind, reason), left in report.left.items():
        say(f"Not taken: {kind}: {one_line(reason)}: {_examples(left)}")
    for text, noted in report.notes.items():
        say(f"Note: {one_line(text)}: {_examples(noted)}")
    if dry_run:
        say("Nothing was written. Without --dry-run, this is imported.")


def _examples(left: Left) -> str:
    more = left.count - len(left.examples)
    shown = ", ".join(one_line(example, 120) for example in left.examples)
    return f"{shown} and {more} more" if more > 0 else shown
