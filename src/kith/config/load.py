"""Reads the settings from a TOML file and from the environment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from kith.config import rules, values
from kith.config.errors import ConfigError, wrong
from kith.config.renamed import RENAMED, Renamed, replace_old_names
from kith.config.settings import Config

#: Where the settings are if nothing names another file.
SYSTEM_FILE = Path("/etc/kith.toml")
#: ``KITH_*`` variables that are not settings of the server: the clients read them, or `load` itself.
_OTHER_VARIABLES = frozenset(
    ("KITH_CONFIG", "KITH_JID", "KITH_PASSWORD", "KITH_HOST", "KITH_PORT", "KITH_DATA", "KITH_SERVER")
)


def settings_file(option: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file with the settings, which the server and all commands find in the same way.

    It is what the option ``--config`` names, otherwise what ``KITH_CONFIG`` names, otherwise `SYSTEM_FILE` if
    that exists. ``KITH_CONFIG=/dev/null`` stands for no file.
    """
    if option is not None:
        return option
    if environ.get("KITH_CONFIG"):
        return Path(environ["KITH_CONFIG"])
    return SYSTEM_FILE if SYSTEM_FILE.exists() else None


def load(
    file: Path | None, environ: Mapping[str, str], warn: Callable[[Renamed], None] = lambda renamed: None
) -> Config:
    """The settings of a file (`settings_file`) and of the environment.

    The environment wins over the file; an empty variable counts as not set. ``warn`` is called for each
    setting that was given under its old name. Raises ConfigError.
    """
    file = settings_file(file, environ)
    given = _read(file) if file is not None else {}
    places = {name: str(file) for name in given}
    renamed = replace_old_names(given, places)
    set_by_variable, variables = _from_environment(environ)
    renamed += replace_old_names(set_by_variable, variables)
    given |= set_by_variable
    places |= variables
    for name, value in given.items():
        _check(name, value, places[name])
    config = msgspec.convert(given, Config, dec_hook=values.as_path)
    rules.check(config, places)
    for old in renamed:
        warn(old)
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"can't read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings in ``KITH_*`` variables, and where each came from. Both dicts are by setting name."""
    defaults, hints = Config(), get_type_hints(Config, include_extras=True)
    given: dict[str, Any] = {}
    places: dict[str, str] = {}
    for variable, text in environ.items():
        if variable.startswith("KITH_") and variable not in _OTHER_VARIABLES and text:
            name = variable.removeprefix("KITH_").lower()
            present = RENAMED.get(name, name)
            given[name] = values.from_text(text, getattr(defaults, present, None), hints.get(present))
            places[name] = f"{variable} in the environment"
    return given, places


def _check(name: str, value: object, place: str) -> None:
    """Checks that a setting exists and may have a value. Raises ConfigError."""
    if name not in Config.__struct_fields__:
        close = difflib.get_close_matches(name, Config.__struct_fields__, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"unknown setting: {name!r} ({place}){hint}")
    try:
        msgspec.convert({name: value}, Config, dec_hook=values.as_path)
    except msgspec.ValidationError as error:
        shown = "" if isinstance(value, (dict, list)) else f", not {value!r}"
        raise wrong(name, place, values.reason(Config, name, str(error)) + shown) from None
