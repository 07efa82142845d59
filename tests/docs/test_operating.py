"""`docs/operating.md` has every setting, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kith.config import Config, Setting

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
SETTINGS = PAGE.partition("\n## Settings")[2].partition("\n## ")[0]
ROWS = {
    name: default.strip()
    for names, default in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|([^|]*)\|", SETTINGS, re.MULTILINE)
    for name in re.findall(r"\w+", names)
}


@pytest.mark.parametrize("setting", Config.settings(), ids=lambda setting: setting.name)
def test_a_setting_is_in_the_table_with_its_default(setting: Setting) -> None:
    assert setting.name in ROWS
    said = re.sub(r'[`\[\]" ]', "", ROWS[setting.name])
    assert said == setting.default.replace(" ", "")


def test_the_table_has_no_setting_that_there_is_not() -> None:
    assert set(ROWS) <= {setting.name for setting in Config.settings()}
