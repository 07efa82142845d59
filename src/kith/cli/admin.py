"""`kith admin`: access to the HTTP admin API, and what operators did."""

from __future__ import annotations

from typing import Annotated

import typer

from kith.cli.options import ConfigOption, settings

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
