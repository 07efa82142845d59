"""Prints tables: as wide as the terminal, or as wide as their content if the output is a pipe or a file."""

from __future__ import annotations

import sys

from rich.table import Table

from kith.console import SafeConsole

_ANY_WIDTH = 10_000


def show_table(table: Table) -> None:
    """Prints a table. Text in it is shown as it is, even if it looks like markup."""
    width = None if sys.stdout.isatty() else _ANY_WIDTH
    SafeConsole(width=width).print(table)
