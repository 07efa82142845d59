"""The table of settings in `docs/operating.md` is the one that the program has."""

from __future__ import annotations

import re
from pathlib import Path

from kith.config import Setting, all_settings
from kith.config.settings import LIVE

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
SECTION = PAGE.partition("\n## Settings")[2].partition("\n## ")[0]


def row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    return f"| `{setting.name}` | {default} | {setting.meaning} |"


def test_the_table_has_every_setting_with_its_default_and_meaning() -> None:
    """To mend the page, copy the rows that this test shows."""
    rows = [line for line in SECTION.splitlines() if line.startswith("| `")]
    assert rows == [row(setting) for setting in all_settings()]


def test_the_page_names_the_settings_that_a_running_server_takes_over() -> None:
    passage = PAGE.partition("SIGHUP (")[2].partition("The log names")[0]
    assert set(re.findall(r"`([a-z_]+)`", passage)) == LIVE
