"""The pages for operators name settings, commands and files that exist."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest
import typer

from kith.cli import app
from kith.config import Setting, all_settings, load
from kith.config.settings import LIVE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()
SECTION = PAGE.partition("\n## All settings")[2].partition("\n## ")[0]
#: The pages that show commands.
PAGES = ("operating", "settings", "people", "monitoring", "moving")


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


def shown(page: str) -> list[list[str]]:
    """The `kith` commands in the blocks of a page, split as a shell does."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    found = []
    for block in re.findall(r"^ *```\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\|?|;", re.sub(r"\s#.*", "", line)):
                words = shlex.split(part) if "kith " in part else []
                if "kith" in words and (at := words.index("kith")) + 1 < len(words):
                    before = words[at - 1] if at else ""
                    if before in ("", "--clear-groups") or "=" in before:
                        found.append(words[at + 1 :])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_command_that_a_page_shows_exists_with_its_options(page: str) -> None:
    commands = shown(page)
    assert commands or page in ("monitoring", "settings")
    for words in commands:
        command: Any = typer.main.get_command(app)
        given = list(words)
        while hasattr(command, "commands") and given and not given[0].startswith("-"):
            name = given.pop(0)
            assert name in command.commands, words
            command = command.commands[name]
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert {word.partition("=")[0] for word in given if word.startswith("--")} <= options, words


def test_the_settings_in_the_path_are_valid(tmp_path: Path) -> None:
    """Those of the first hour together, as somebody writes them who follows it."""
    text = (ROOT / "docs" / "operating.md").read_text().partition("## The first week")[0]
    blocks = [
        textwrap.dedent(block)
        for block in re.findall(r"^ *```\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        if re.match(r"\s*[a-z_]+ = ", block)
    ]
    assert len(blocks) == 2
    operators = re.findall(r"echo '(operators = .*)' >>", text)
    file = tmp_path / "kith.toml"
    file.write_text("\n".join([*blocks, *operators]))
    config = load(file, {})
    assert config.public_url == f"https://{config.domain}"
    assert config.sms_budget > 0


def test_the_files_that_the_path_copies_are_in_the_package() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    build = (ROOT / "packaging" / "debian" / "build.sh").read_text()
    named = set(re.findall(r"/usr/share/doc/kith/examples/([\w.-]+)", text))
    there = {
        file.name for folder in ("proxies", "monitoring") for file in (ROOT / "packaging" / folder).iterdir()
    }
    there |= {f"fail2ban-{file.name}" for file in (ROOT / "packaging" / "fail2ban").iterdir()} | {
        "certbot-hook"
    }
    assert len(named) >= 3
    assert named <= there
    assert "certbot-hook" in build
