"""`kith apps`: app passwords for other XMPP clients, one for each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import segno
import typer
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kith.client.api import ServerAPI
from kith.client.cli.account import JidOption, carry_out, console, logged_in
from kith.client.credential import Credential
from kith.console import plain_markup
from kith.terminal import one_line

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Create passwords for other XMPP apps, one for each app.",
)
_PATH = "/api/app-passwords"


@app.callback(invoke_without_command=True)
def show(context: typer.Context, jid: JidOption = None) -> None:
    """List the apps that have a password. Example: kith apps add Gajim"""
    context.obj = jid
    if context.invoked_subcommand is None:
        found = carry_out(_all(logged_in(jid)))
        if found:
            console.print(_table(found))
        else:
            console.print("No other app has a password. Create one with: kith apps add NAME")


@app.command()
def add(context: typer.Context, name: Annotated[str, typer.Argument(help="The app it is for.")]) -> None:
    """Create a password for one app. It is shown only once."""
    made = carry_out(_add(logged_in(context.obj), name))
    console.print(
        Panel.fit(
            f"[dim]Address[/dim]   {made['address']}\n"
            f"[dim]Password[/dim]  [bold]{made['password']}[/bold]\n\n"
            "[dim]It is shown only now. It is for chatting, and can't change your account.[/dim]",
            title=Text(one_line(made["name"])),
            border_style="green",
            padding=(1, 3),
        )
    )
    if console.is_terminal:
        segno.make(made["uri"], error="l").terminal(compact=True, border=2)


@app.command()
def revoke(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="The app's ID in kith apps; its beginning is enough.")],
) -> None:
    """Revoke an app's password, which logs the app out at once."""
    revoked = carry_out(_revoke(logged_in(context.obj), id))
    console.print(f"[bold]{plain_markup(revoked['name'])}[/bold] is logged out.")


async def _all(mine: Credential) -> list[dict[str, Any]]:
    async with ServerAPI(mine.api, mine.bearer) as api:
        return list((await api.ask("GET", _PATH))["app_passwords"])


async def _add(mine: Credential, name: str) -> dict[str, Any]:
    async with ServerAPI(mine.api, mine.bearer) as api:
        return dict(await api.ask("POST", _PATH, {"name": name}))


async def _revoke(mine: Credential, start: str) -> dict[str, Any]:
    """Revokes the only app whose id begins so. Raises ValueError if there is none, or several."""
    found = [one for one in await _all(mine) if one["id"].startswith(start)]
    if len(found) != 1:
        raise ValueError(
            f"{'No' if not found else 'More than one'} app has an id that begins with {start!r}."
        )
    async with ServerAPI(mine.api, mine.bearer) as api:
        await api.ask("DELETE", f"{_PATH}/{found[0]['id']}")
    return found[0]


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "APP", "CREATED", "LAST USED", "ID"):
        table.add_column(column, overflow="fold")
    for one in found:
        dot = "[green]●[/green]" if one["online"] else "[dim]○[/dim]"
        used = "now" if one["online"] else _day(one["last_used"]) or "never"
        table.add_row(
            dot,
            f"[bold]{plain_markup(one['name'])}[/bold]",
            _day(one["created"]),
            used,
            f"[dim]{plain_markup(one['id'])}[/dim]",
        )
    return table


def _day(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d}" if text else ""
