"""`kith secret`: the secret from which the server derives tokens and other keys."""

from __future__ import annotations

from typing import Annotated

import typer

from kith.cli.options import ConfigOption, settings

secret = typer.Typer(help="Replace the server's secret.", no_args_is_help=True)


@secret.callback()
def _group() -> None:
    pass


@secret.command("rotate")
def rotate(
    log_out: Annotated[
        bool, typer.Option("--log-out", help="Also make all tokens of devices invalid.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Replace the secret by a new one, which the server uses after its next restart.

    Do that after somebody may have seen the data folder or a backup. Devices stay logged in: their tokens
    are replaced when they are used, at most 60 days later. Passwords, app passwords and PINs stay as well.
    With --log-out, devices have to log in again, by code or password.
    """
    from kith.commands.secret import rotate

    rotate(settings(config), log_out)
