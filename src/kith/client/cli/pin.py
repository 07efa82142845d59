"""`kith pin`: sets or removes the PIN, which is needed to log in with the phone number again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.prompt import Prompt

from kith.client.api import ServerAPI
from kith.client.cli.account import JidOption, carry_out, console, logged_in, stop
from kith.client.credential import Credential

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def pin(
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the PIN, so that a code by text message is enough.")
    ] = False,
    jid: JidOption = None,
) -> None:
    """Set a PIN of six digits that is needed to log in with your phone number again."""
    mine = logged_in(jid)
    if remove:
        carry_out(_change(mine, None))
        console.print("The PIN was removed: anybody who gets your text messages can log in to your account.")
        return
    wanted = Prompt.ask("Six digits", console=console, password=True).strip()
    if len(wanted) != 6 or not (wanted.isascii() and wanted.isdecimal()):
        stop("A PIN has six digits.")
    if Prompt.ask("Once more", console=console, password=True).strip() != wanted:
        stop("The two PINs are different.")
    carry_out(_change(mine, wanted))
    console.print(
        "The PIN is set. Without it, nobody can log in with your phone number, unless all your devices have"
        " been offline for seven days."
    )


async def _change(mine: Credential, wanted: str | None) -> None:
    async with ServerAPI(mine.api, mine.bearer) as api:
        if wanted is None:
            await api.ask("DELETE", "/api/pin")
        else:
            await api.ask("PUT", "/api/pin", {"pin": wanted})
