"""A store in this process, into which a test imports XML, and from which it exports."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from pathlib import Path

from kith.base.clock import Clock
from kith.moving.arrival import Context
from kith.moving.exporting import Exporter
from kith.moving.importing import Importer
from kith.moving.reading import events
from kith.moving.renaming import Renaming
from kith.moving.report import Report
from kith.moving.sources import Sources
from kith.moving.writes import Writes
from kith.ports.pictures import Pictures
from kith.ports.store import LogQuery, Store
from kith.store.sqlite import SQLiteStore

DOMAIN = "new.example"
KEYS = (
    "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>4096</iter-count>"
    "<salt>c2FsdCBvZiAxNiBieXRlcw==</salt><server-key>PL5tRYqzYlYXuU5Rw4a9kj9c6Io=</server-key>"
    "<stored-key>KfoV+kmzxqLBWfZ1Fsa+1/aFo/k=</stored-key></scram-credentials>"
)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SQLiteStore]:
    """A store in a folder."""
    store = SQLiteStore(folder / "kith.sqlite")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def user(inside: str, name: str = "ada", host: str = DOMAIN) -> str:
    """A file with one account."""
    return (
        f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{host}'><user name='{name}'>{inside}</user></host>"
        "</server-data>"
    )


async def take(
    store: Store,
    xml: str | Path,
    merge: bool = False,
    real: bool = True,
    workers: Executor | None = None,
    pictures: Pictures | None = None,
    **domains: str,
) -> Report:
    """Imports a file or a folder, or a text. ``domains``: old domains, with _ for the dot."""
    report = Report()
    names = Renaming(DOMAIN, {old.replace("_", "."): new for old, new in domains.items()})
    context = Context(store, Writes(store, real), Clock(), names, report, pictures)
    if isinstance(xml, Path):
        found = Sources(xml, lambda file, reason: report.leave("files", reason, file)).events()
    else:
        file = io.BytesIO(bytes(xml, "utf-8"))
        found = events(file)
    await Importer(context, merge, workers).run(found)
    return report


async def given(store: Store, *jids: str) -> str:
    """Exports accounts, by default Ada's."""
    file = io.BytesIO()
    exporter = Exporter(store, Clock(), DOMAIN, file)
    exporter.begin()
    for jid in jids or (f"ada@{DOMAIN}",):
        record = await store.account(jid)
        assert record is not None
        await exporter.account(record)
    exporter.end()
    return file.getvalue().decode()


async def account_id(store: Store, name: str = "ada") -> int:
    record = await store.account(f"{name}@{DOMAIN}")
    assert record is not None
    return record.id


async def bodies(store: Store, name: str = "ada") -> list[bytes]:
    """The texts in an archive."""
    page = await store.page(LogQuery(await account_id(store, name), limit=1000))
    return [e.stanza.partition(b"<body>")[2].partition(b"</body>")[0] for e in page.entries]


async def waiting(store: Store, name: str = "ada") -> list[bytes]:
    """The texts that wait for a device."""
    entries = await store.undelivered(await account_id(store, name), 0, 1000)
    return [e.stanza.partition(b"<body>")[2].partition(b"</body>")[0] for e in entries]


def reasons(report: Report) -> dict[str, int]:
    """What was not taken, as ``kind: reason``, with counts."""
    return {f"{kind}: {reason}": left.count for (kind, reason), left in report.left.items()}
