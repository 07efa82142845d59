"""The terminal client's file for keys and colours, and changing the account."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.client import InvalidSetting
from kith.client.testing import FakeServer
from kith.client.tui.app import ChatApp
from kith.client.tui.preferences import Preferences, load
from kith.client.tui.screens import Accounts, Help
from kith.client.tui.themes import DARK, LIGHT
from tests.client.conftest import until


def read(text: str, folder: Path) -> Preferences:
    file = folder / "terminal.toml"
    file.write_text(text)
    return load(ChatApp.key_names(), (DARK, LIGHT), file)


async def test_keys_and_colours_of_the_file_are_used(tmp_path: Path) -> None:
    preferences = read(
        'theme = "kith-light"\n[keys]\nhelp = "f8"\nreply = "a"\n'
        '[colours.light]\nprimary = "#ff8800"\nmine = "red"\n',
        tmp_path,
    )
    async with FakeServer() as server:
        app = ChatApp(server.client("ada"), preferences=preferences)
        async with app.run_test() as pilot:
            assert app.theme == "kith-light"
            assert app.current_theme.primary == "#ff8800"
            assert app.theme_variables["mine"] == "red"
            assert app.theme_variables["muted"] == LIGHT.variables["muted"]
            await pilot.press("f1")
            assert not isinstance(app.screen, Help)
            await pilot.press("f8")
            await until(lambda: isinstance(app.screen, Help))


def test_without_a_file_everything_is_as_it_ships(tmp_path: Path) -> None:
    assert load(ChatApp.key_names(), (DARK, LIGHT), tmp_path / "none") == Preferences()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("theme = 3 = 4", "can't be read"),
        ('theme = "blue"', "'blue' among the themes: kith-dark, kith-light"),
        ('[keys]\nfly = "f9"', "'fly' among the keys"),
        ("[keys]\nhelp = 9", "the value of help has to be a text"),
        ('keys = "f9"', "keys has to be a table"),
        ('[colours.dark]\nprimary = "no colour"', "'no colour' is not a colour"),
        ('[colours.dark]\nsecret = "red"', "'secret' among the colours"),
        ('[colours.blue]\nprimary = "red"', "'blue' among the colours: dark, light"),
        ("[windows]", "'windows' among the settings"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_clear_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InvalidSetting) as error:
        read(text, tmp_path)
    assert why in str(error.value)
    assert "terminal.toml" in str(error.value)


async def test_one_changes_to_another_account_by_key() -> None:
    async with FakeServer() as server:
        app = ChatApp(server.client("ada"), accounts=["ada@localhost", "work@localhost"])
        async with app.run_test() as pilot:
            await pilot.press("f3")
            await until(lambda: isinstance(app.screen, Accounts))
            await pilot.press("enter")
            await until(lambda: app.next_account is not None)
        assert app.next_account == "work@localhost"
