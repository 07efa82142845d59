"""`kith pin`: the second factor for when the number registers again."""

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
    remove: Annotated[bool, typer.Option("--remove", help="The number alone is enough again.")] = False,
    jid: JidOption = None,
) -> None:
    """Set the six digits that are asked when your number registers again."""
    mine = logged_in(jid)
    if remove:
        carry_out(_change(mine, None))
        console.print("There is no PIN any more: who gets your text messages gets into your account.")
        return
    wanted = Prompt.ask("Six digits", console=console, password=True).strip()
    if len(wanted) != 6 or not (wanted.isascii() and wanted.isdecimal()):
        stop("A PIN has six digits.")
    if Prompt.ask("Once more", console=console, password=True).strip() != wanted:
        stop("They are not the same.")
    carry_out(_change(mine, wanted))
    console.print("Set. Without it, your number opens your account only after seven days of silence.")


async def _change(mine: Credential, wanted: str | None) -> None:
    async with ServerAPI(mine.api, mine.bearer) as api:
        if wanted is None:
            await api.ask("DELETE", "/api/pin")
        else:
            await api.ask("PUT", "/api/pin", {"pin": wanted})
