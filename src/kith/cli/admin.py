"""`kith admin`: access to the HTTP admin API, and what operators did."""

from __future__ import annotations

from typing import Annotated

import typer

from kith.cli.options import ConfigOption, settings


def add_commands(app: typer.Typer) -> None:
    """Adds `kith trace`, and the group `kith admin`."""
    app.command()(trace)
    app.add_typer(admin, name="admin")


admin = typer.Typer(help="Tokens for the HTTP admin API, and the audit log.", no_args_is_help=True)
token = typer.Typer(help="Tokens for the HTTP admin API.", no_args_is_help=True)
admin.add_typer(token, name="token")


@token.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="Who or what uses it; this name is in the audit log.")],
    read_only: Annotated[bool, typer.Option("--read-only", help="It can't change anything.")] = False,
    days: Annotated[float, typer.Option(min=0, max=3650, help="Days until it expires. 0: never.")] = 365,
    config: ConfigOption = None,
) -> None:
    """Create a token and print it. It can't be shown again.

    Whoever has it can see and remove everybody's account, so keep it as a password. Example:
    kith admin token create grafana --read-only
    """
    from kith.commands import admin

    admin.create_token(settings(config), name, read_only, days)


@token.command("list")
def token_list(config: ConfigOption = None) -> None:
    """List the tokens: who made them, when they were used, when they expire."""
    from kith.commands import admin

    admin.show_tokens(settings(config))


@token.command("revoke")
def token_revoke(
    token: Annotated[str, typer.Argument(help="Its ID or name in kith admin token list.")],
    config: ConfigOption = None,
) -> None:
    """Revoke a token. It is refused at once."""
    from kith.commands import admin

    admin.revoke_token(settings(config), token)


@admin.command("log")
def log(
    count: Annotated[int, typer.Option(min=1, max=10000, help="How many entries, the newest last.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    config: ConfigOption = None,
) -> None:
    """See who did what and when: by commands, by the admin API, and by operators' clients.

    Entries are kept for a year, at most 10000.
    """
    from kith.commands import admin

    admin.show_log(settings(config), count, json)


def trace(
    jid: Annotated[str, typer.Argument(help="The account whose messages to look for.")],
    peer: Annotated[
        str,
        typer.Option("--with", metavar="ADDRESS", help="Only messages with somebody.", show_default=False),
    ] = "",
    id: Annotated[
        str, typer.Option("--id", help="Only the message with this id (of its sender, or of the archive).")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many messages, the newest last.")] = 20,
    watch: Annotated[
        float, typer.Option(min=0, max=72, metavar="HOURS", help="From now on, note each step, in memory.")
    ] = 0,
    stop: Annotated[bool, typer.Option("--stop", help="End --watch, and forget what was noted.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    config: ConfigOption = None,
) -> None:
    """Find out why a message did not arrive. Shows times and states, never what a message says.

    For each message: whether it is stored, waits for a device or another server, was sent to a device, was
    acknowledged, or came back, and why. Which device has acknowledged it, and which messages were refused at
    once, is known only while the account is watched. Examples:
    kith trace ada --with ben@example.com; kith trace ben --watch 24; kith trace ben
    """
    from kith.commands import trace

    loaded = settings(config)
    if watch or stop:
        trace.switch(loaded, jid, 0 if stop else watch)
    else:
        trace.show(loaded, trace.Asked(jid, peer, id, limit), json)
