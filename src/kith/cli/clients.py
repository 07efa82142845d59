"""The commands for people who chat. Their options are in `kith.client`, which knows nothing of the server."""

from __future__ import annotations

from typing import Any

import typer

#: Hands all arguments on, ``--help`` included.
_PASSED_ON: Any = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_commands(app: typer.Typer) -> None:
    """Adds the commands, in the order of `kith --help`."""
    for command in (login, link, devices, apps, pin, chat):
        app.command(context_settings=_PASSED_ON, add_help_option=False)(command)


def login(context: typer.Context) -> None:
    """Log in with a phone number. Example: kith login '+49 170 1234567'"""
    from kith.client.cli import login
    from kith.client.cli.account import run

    run("kith login", login.app, context.args)


def link(context: typer.Context) -> None:
    """Log in here with a code that another device of yours scans."""
    from kith.client.cli import link
    from kith.client.cli.account import run

    run("kith link", link.app, context.args)


def devices(context: typer.Context) -> None:
    """See where you are logged in, rename devices, and log them out."""
    from kith.client.cli import devices
    from kith.client.cli.account import run

    run("kith devices", devices.app, context.args)


def apps(context: typer.Context) -> None:
    """Create passwords for other XMPP apps, one for each app."""
    from kith.client.cli import apps
    from kith.client.cli.account import run

    run("kith apps", apps.app, context.args)


def pin(context: typer.Context) -> None:
    """Set the PIN that is asked for when your number registers again."""
    from kith.client.cli import pin
    from kith.client.cli.account import run

    run("kith pin", pin.app, context.args)


def chat(context: typer.Context) -> None:
    """Chat in the terminal, end-to-end encrypted. Example: kith chat ben@localhost"""
    from kith.client.command import run

    run(context.args)
