"""Tables for the operator: as wide as the terminal, and for a pipe or a file as wide as what is in them."""

from __future__ import annotations

import sys

from rich.table import Table

from kith.console import SafeConsole

_ANY_WIDTH = 10_000


def show_table(table: Table) -> None:
    """Prints it, with everything as it is: what others have named may look like markup."""
    width = None if sys.stdout.isatty() else _ANY_WIDTH
    SafeConsole(width=width).print(table)
