"""What several commands take: the settings, and a new password."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from kith.commands.fail import fail
from kith.terminal import say

if TYPE_CHECKING:
    from kith.config import Config
    from kith.config.renamed import Renamed

ConfigOption = Annotated[
    Optional[Path],
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings in TOML; by default /etc/kith.toml. KITH_* variables in the environment win over it.",
        show_default=False,
    ),
]


def settings(file: Path | None, warn: Callable[[Renamed], None] | None = None) -> Config:
    """The settings of the file and the environment. Ends the program with one line if they are wrong.

    ``warn`` is called for each setting under an old name; by default, a line goes to standard error.
    """
    from kith.config import ConfigError, load

    try:
        return load(file, os.environ, warn or _warn)
    except ConfigError as error:
        fail(str(error))


def _warn(renamed: Renamed) -> None:
    say(f"kith: {renamed}", sys.stderr)


def new_password(given: str | None, file: Path | None) -> str:
    """The password that was given, or the first line of a file (``-``: standard input).

    Otherwise asks for a new one twice. Ends the program if there is no terminal to ask on.
    """
    if given is not None:
        return given
    if file is not None:
        try:
            text = sys.stdin.readline() if str(file) == "-" else file.read_text()
        except (OSError, UnicodeError) as error:
            fail(f"{file} can't be read: {getattr(error, 'strerror', None) or error}")
        return text.partition("\n")[0].rstrip("\r")
    if not sys.stdin.isatty():
        fail("no password: give it with --password-file, where - is standard input")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more"))
