"""`kith reports`: lists and deletes what people have reported when they blocked somebody."""

from __future__ import annotations

from rich.table import Table

from kith.commands.audit import note
from kith.commands.tables import show_table
from kith.commands.times import local_time
from kith.commands.users import with_store
from kith.config import Config
from kith.ports.store import Store
from kith.records.reports import Reports
from kith.terminal import one_line, say


def show(config: Config) -> None:
    """Lists the reports, oldest first."""
    reports = with_store(config, lambda store: Reports(store).all())
    if not reports:
        say("Nobody was reported.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("WHEN", "WHO", "REASON", "REPORTED BY", "WORDS"):
        table.add_column(column, overflow="fold")
    for report in reports:
        words = one_line(report.text)
        reason = report.reason.rpartition(":")[2]
        table.add_row(local_time(report.at), report.reported, reason, report.reporter, words)
    show_table(table)


def clear(config: Config) -> None:
    """Deletes all reports."""

    async def delete(store: Store) -> int:
        count = await Reports(store).clear()
        await note(store, "reports.clear", details=f"{count} reports")
        return count

    count = with_store(config, delete)
    say(f"{count} report{'' if count == 1 else 's'} cleared.")
