"""The user's own keys and colours for the terminal client: ``terminal.toml`` beside the list of accounts.

theme = "kith-light"

[keys]
pick = "ctrl+p"

[colours.dark]
primary = "#ff8800"
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from kith.client.accounts import config_file
from kith.client.errors import InvalidSetting

_FIELDS = frozenset(
    {
        *("primary", "secondary", "accent", "warning", "error", "success", "foreground", "background"),
        *("surface", "panel"),
    }
)


@dataclass(frozen=True)
class Preferences:
    """``theme``: the name of the theme to begin with, or None. ``keys``: keys by the name of what they do.

    ``dark`` and ``light``: colours that replace those of the themes.
    """

    theme: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    dark: Mapping[str, str] = field(default_factory=dict)
    light: Mapping[str, str] = field(default_factory=dict)


def preferences_file() -> Path:
    """The file, in the XDG configuration folder."""
    return config_file().with_name("terminal.toml")


def load(names: Collection[str], themes: Collection[Theme], file: Path | None = None) -> Preferences:
    """What the file says; nothing if there is none.

    ``names``: what keys can be set for. Raises InvalidSetting with what is wrong in the file.
    """
    file = file or preferences_file()
    try:
        held = tomllib.loads(file.read_text())
    except FileNotFoundError:
        return Preferences()
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"{file} can't be read: {error}") from None
    _only(file, "settings", held, {"theme", "keys", "colours"})
    keys, colours = _table(file, held, "keys"), _table(file, held, "colours")
    _only(file, "keys", keys, names)
    _only(file, "colours", colours, {"dark", "light"})
    theme = held.get("theme")
    if theme is not None:
        _only(file, "themes", [str(theme)], {one.name for one in themes})
    dark, light = (_table(file, colours, name) for name in ("dark", "light"))
    for colour in (dark, light):
        known = _FIELDS.union(*(one.variables for one in themes))
        _only(file, "colours", colour, known)
        for name, value in colour.items():
            try:
                Color.parse(value)
            except ColorParseError:
                raise InvalidSetting(f"{file}: {value!r} is not a colour ({name})") from None
    return Preferences(None if theme is None else str(theme), keys, dark, light)


def recoloured(theme: Theme, colours: Mapping[str, str]) -> Theme:
    """A theme with some colours replaced."""
    fields = {name: value for name, value in colours.items() if name in _FIELDS}
    variables = {name: value for name, value in colours.items() if name not in _FIELDS}
    whole: dict[str, Any] = {name: getattr(theme, name) for name in (*_FIELDS, "name", "dark")}
    return Theme(**(whole | fields | {"variables": theme.variables | variables}))


def _table(file: Path, held: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = held.get(name, {})
    if not isinstance(table, dict):
        raise InvalidSetting(f"{file}: {name} has to be a table: [{name}]")
    wrong = [key for key, value in table.items() if name != "colours" and not isinstance(value, str)]
    if wrong:
        raise InvalidSetting(f"{file}: the value of {wrong[0]} has to be a text in quotes")
    return table


def _only(file: Path, what: str, found: Collection[str], known: Collection[str]) -> None:
    for name in found:
        if name not in known:
            raise InvalidSetting(f"{file}: there is no {name!r} among the {what}: {', '.join(sorted(known))}")
