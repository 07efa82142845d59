"""`kith media`: the files that people have sent."""

from __future__ import annotations

from typing import Annotated

import typer

from kith.cli.options import ConfigOption, settings

media = typer.Typer(help="Look after the files that people send.", no_args_is_help=True)


@media.command("usage")
def usage(
    most: Annotated[int, typer.Option(min=0, help="How many accounts to list.")] = 20,
    config: ConfigOption = None,
) -> None:
    """Show how much is stored, and which accounts use the most.

    What several people have sent counts for each of them, but is stored once.
    """
    from kith.commands import media as commands

    commands.usage(settings(config), most)


@media.command("expire")
def expire(config: ConfigOption = None) -> None:
    """Remove files that nobody needs any more.

    The server does this by itself every few minutes. Use this after lowering media_days, to have room at
    once.
    """
    from kith.commands import media as commands

    commands.expire(settings(config))


@media.command("verify")
def verify(
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove what is damaged or missing, and files without a record.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Read all files, and list those that are missing or damaged.

    The exit status is 1 if there are any. Devices that have a file upload it again when somebody needs it
    and the server says that it is gone, so removing damaged files helps.
    """
    from kith.commands import media as commands

    commands.verify(settings(config), remove)
