"""The commands for people who chat. Their options are in `kith.client`, which knows nothing of the server."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated, Any

import typer

from kith.terminal import say


class Shell(StrEnum):
    """The shells that completion is there for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


#: Hands all arguments on, ``--help`` included.
_PASSED_ON: Any = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_commands(app: typer.Typer) -> None:
    """Adds the commands, in the order of `kith --help`."""
    if "_KITH_COMPLETE" in os.environ:  # a shell wants to know what there is, options included
        _add_whole_commands(app)
        return
    for command in (login, link, devices, apps, pin, chat, send, history, tail):
        app.command(context_settings=_PASSED_ON, add_help_option=False)(command)
    app.command()(completion)


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
    """Set a PIN that is needed to log in with your phone number again."""
    from kith.client.cli import pin
    from kith.client.cli.account import run

    run("kith pin", pin.app, context.args)


def chat(context: typer.Context) -> None:
    """Chat in the terminal, end-to-end encrypted. Example: kith chat ben@localhost"""
    from kith.client.command import run

    run(context.args)


def send(context: typer.Context) -> None:
    """Send a text from the command line, a pipe or cron. Example: df -h | kith send ada"""
    from kith.client.cli import send
    from kith.client.cli.account import run

    run("kith send", send.app, context.args)


def history(context: typer.Context) -> None:
    """Print the newest messages with somebody. Example: kith history ben -n 10"""
    from kith.client.cli import history
    from kith.client.cli.account import run

    run("kith history", history.history_app, context.args)


def tail(context: typer.Context) -> None:
    """Print messages as they come. Example: kith tail --json | jq -r .body"""
    from kith.client.cli import history
    from kith.client.cli.account import run

    run("kith tail", history.tail_app, context.args)


def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell to write it for.")] = Shell.BASH,
) -> None:
    """Print a script with which a shell completes commands, options and addresses.

    Examples: kith completion bash > ~/.local/share/bash-completion/completions/kith;
    kith completion zsh > ~/.zfunc/_kith; kith completion fish > ~/.config/fish/completions/kith.fish
    """
    from typer._completion_shared import get_completion_script

    say(get_completion_script(prog_name="kith", complete_var="_KITH_COMPLETE", shell=shell.value))


def _add_whole_commands(app: typer.Typer) -> None:
    from typer._completion_classes import completion_init

    from kith.client.cli import apps, devices, history, link, login, pin, send
    from kith.client.command import chat_command

    completion_init()
    for name, single in (
        *(("login", login.app), ("link", link.app), ("pin", pin.app), ("send", send.app)),
        *(("history", history.history_app), ("tail", history.tail_app)),
    ):
        for registered in single.registered_commands:
            if registered.callback is not None:
                app.command(name)(registered.callback)
    app.add_typer(devices.app, name="devices")
    app.add_typer(apps.app, name="apps")
    app.command("chat")(chat_command)
    app.command()(completion)
