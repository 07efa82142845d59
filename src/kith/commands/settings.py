"""`kith settings`: lists all settings with their defaults."""

from __future__ import annotations

from rich.table import Table

from kith.commands.tables import show_table
from kith.config import all_settings


def show() -> None:
    """Prints all settings, in the order of docs/settings.md."""
    table = Table(box=None, pad_edge=False)
    for column in ("SETTING", "DEFAULT", "MEANING"):
        table.add_column(column, overflow="fold")
    for setting in all_settings():
        table.add_row(setting.name, setting.default, setting.meaning)
    show_table(table)
