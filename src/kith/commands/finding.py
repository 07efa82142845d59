"""What `kith doctor` finds, and how it says it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from kith.commands.tables import show_table


class Verdict(Enum):
    """The result of a check."""

    GOOD = "[green]ok[/]"
    NOTE = "[yellow]note[/]"
    BAD = "[red]bad[/]"


class Finding(NamedTuple):
    """One line of the report. ``todo`` says what the operator can do."""

    what: str
    verdict: Verdict
    text: str
    todo: str = ""


def report(findings: Sequence[Finding]) -> int:
    """Prints the report. Returns the exit status: 1 if something is bad."""
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row(Text.from_markup(finding.verdict.value), Text(finding.what), Text(finding.text))
        if finding.todo:
            table.add_row("", "", Text(f"→ {finding.todo}", "dim"))
    show_table(table)
    return 1 if any(finding.verdict is Verdict.BAD for finding in findings) else 0
