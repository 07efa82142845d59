"""`kith link` shows a code for linking this device; `kith link CODE` approves another device."""

from __future__ import annotations

import uuid
from typing import Annotated

import segno
import typer
from rich.panel import Panel
from rich.prompt import Confirm

from kith.client.api import LOCAL, ServerAPI
from kith.client.cli.account import (
    DataOption,
    HostOption,
    InsecureOption,
    JidOption,
    PortOption,
    ServerOption,
    carry_out,
    console,
    logged_in,
    store_login,
)
from kith.client.cli.login import show
from kith.client.credential import Credential
from kith.client.linking import Approval, Code, NewDevice, decoded, encoded, new_ticket, seal
from kith.client.this_device import this_device
from kith.console import plain_markup
from kith.terminal import one_line

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def link(
    code: Annotated[
        str | None,
        typer.Argument(help="The link that a new device shows, to approve it.", show_default=False),
    ] = None,
    server: ServerOption = LOCAL,
    jid: JidOption = None,
    name: Annotated[str | None, typer.Option(help="What to call this device.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve it without asking.")] = False,
    data: DataOption = None,
    host: HostOption = None,
    port: PortOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Log in here with a code that another device of yours scans; or approve a new device by its code.

    On the new device:    kith link --server https://chat.example.org
    On a logged-in one:   kith link 'https://chat.example.org/link#…'
    """
    if code is not None:
        carry_out(_approve(code, logged_in(jid), yes))
        return
    mechanism = "HT-SHA-256-NONE" if insecure else "HT-SHA-256-ENDP"
    device = this_device() | {"agent": str(uuid.uuid4()), "mechanism": mechanism}
    if name:
        device["name"] = name
    credential = carry_out(_show_code(server, device))
    store_login(credential, data, host, port, insecure)
    show(credential, "Linked", past=True)


async def _show_code(server: str, device: dict[str, str]) -> Credential:
    async with ServerAPI(server) as api:
        opened = await api.ask("POST", "/api/links", {})
        new_device = NewDevice(api.base, opened["id"], device["name"])
        text = new_device.code.text()
        console.print("\nScan this with a device that is logged in, or open the link there:\n")
        if console.is_terminal:
            segno.make(text, error="l").terminal(compact=True, border=2)
        console.print(f"\n{text}\n", soft_wrap=True)
        path = f"/api/links/{new_device.code.id}"
        with console.status("Waiting for the other device … (Ctrl-C ends it)"):
            while not (sealed := (await api.ask("GET", f"{path}?wait=20"))["sealed"]):
                pass
        approval = new_device.open(decoded(sealed))
        login = await api.ask(
            "POST", f"{path}/device", {"ticket": encoded(approval.ticket), "device": device}
        )
        return Credential.of(login, api.base)


async def _approve(text: str, mine: Credential, yes: bool) -> None:
    """Approves the new device that shows a code. Raises BadCode, Refused, ServerUnreachable."""
    code = Code.parse(text)
    name = one_line(code.name, 100) or "a device without a name"
    account = plain_markup(mine.address)
    console.print(
        Panel.fit(
            f"[bold]{plain_markup(name)}[/bold] wants to be a device of [bold]{account}[/bold].\n"
            "It will be able to read and write everything that you can. "
            "Approve it only if you see its screen.",
            border_style="yellow",
            padding=(1, 3),
        )
    )
    if not yes and not Confirm.ask("Approve it?", console=console, default=False):
        raise typer.Exit(1)
    sealed, hash = seal(code, Approval(mine.address, new_ticket(), {}))
    async with ServerAPI(mine.api, mine.bearer) as api:
        request = {"ticket_hash": encoded(hash), "sealed": encoded(sealed)}
        await api.ask("PUT", f"/api/links/{code.id}", request)
    console.print("It is logged in.", style="green")
