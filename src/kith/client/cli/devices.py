"""`kith devices`: lists, renames and logs out the devices of one's account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from kith.client.api import ServerAPI
from kith.client.cli.account import JidOption, carry_out, console, logged_in
from kith.client.credential import Credential
from kith.console import plain_markup

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="See where you are logged in, rename devices, and log them out.",
)
_Id = Annotated[str, typer.Argument(help="The device's ID in kith devices; its beginning is enough.")]


@app.callback(invoke_without_command=True)
def show(context: typer.Context, jid: JidOption = None) -> None:
    """List the devices where you are logged in. Examples: kith devices; kith devices revoke 3f2a"""
    context.obj = jid
    if context.invoked_subcommand is None:
        mine = logged_in(jid)
        console.print(_table(carry_out(_all(mine))))


@app.command()
def rename(
    context: typer.Context, id: _Id, name: Annotated[str, typer.Argument(help="Its new name.")]
) -> None:
    """Give a device another name."""
    mine = logged_in(context.obj)
    device = carry_out(_change(mine, id, name))
    console.print(f"It is called [bold]{plain_markup(device['name'])}[/bold] now.")


@app.command()
def revoke(context: typer.Context, id: _Id) -> None:
    """Log a device out at once. To log in again it needs a code, or to be linked."""
    mine = logged_in(context.obj)
    device = carry_out(_revoke(mine, id))
    console.print(f"[bold]{plain_markup(device['name'])}[/bold] is logged out.")


async def _all(mine: Credential) -> list[dict[str, Any]]:
    async with ServerAPI(mine.api, mine.bearer) as api:
        return list((await api.ask("GET", "/api/devices"))["devices"])


async def _find(api: ServerAPI, start: str) -> dict[str, Any]:
    """The only device whose id begins so. Raises ValueError if there is none, or several."""
    found = [one for one in (await api.ask("GET", "/api/devices"))["devices"] if one["id"].startswith(start)]
    if len(found) != 1:
        raise ValueError(
            f"{'No' if not found else 'More than one'} device has an id that begins with {start!r}."
        )
    return dict(found[0])


async def _change(mine: Credential, id: str, name: str) -> dict[str, Any]:
    async with ServerAPI(mine.api, mine.bearer) as api:
        device = await _find(api, id)
        return dict(await api.ask("PATCH", f"/api/devices/{device['id']}", {"name": name}))


async def _revoke(mine: Credential, id: str) -> dict[str, Any]:
    async with ServerAPI(mine.api, mine.bearer) as api:
        device = await _find(api, id)
        await api.ask("DELETE", f"/api/devices/{device['id']}")
        return device


def _table(devices: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "DEVICE", "PROGRAM", "SYSTEM", "LAST SEEN", "ID"):
        table.add_column(column, overflow="fold")
    for device in devices:
        dot = "[green]●[/green]" if device["online"] else "[dim]○[/dim]"
        name = f"[bold]{plain_markup(device['name'])}[/bold]" + (
            " [green](this one)[/green]" if device["current"] else ""
        )
        table.add_row(
            dot,
            name,
            plain_markup(device["software"]),
            plain_markup(device["platform"]),
            "now" if device["online"] else _when(device["last_seen"]),
            f"[dim]{plain_markup(device['id'])}[/dim]",
        )
    return table


def _when(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M}" if text else ""
