"""`kith login +49…`: logs this device in with a phone number and a code."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer
from rich.panel import Panel
from rich.prompt import Prompt

from kith.client.api import LOCAL, ServerAPI
from kith.client.cli.account import (
    DataOption,
    HostOption,
    InsecureOption,
    PortOption,
    ServerOption,
    carry_out,
    console,
    store_login,
)
from kith.client.credential import Credential, load
from kith.client.errors import Refused
from kith.client.this_device import this_device
from kith.console import plain_markup

#: Shown when a device logs in to an account that existed before.
EARLIER_MESSAGES = (
    "Earlier messages stay on your other devices, since they are encrypted for those only. "
    "The web app can fetch them from there; the terminal client can't."
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def login(
    number: Annotated[str, typer.Argument(help="Your phone number, like '+49 170 1234567'.")],
    server: ServerOption = LOCAL,
    name: Annotated[str | None, typer.Option(help="What to call this device.", show_default=False)] = None,
    data: DataOption = None,
    host: HostOption = None,
    port: PortOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Log in with a phone number, to which a code is sent. Creates the account if there is none.

    Example: kith login '+49 170 1234567' --server https://chat.example.org
    """
    mechanism = "HT-SHA-256-NONE" if insecure else "HT-SHA-256-ENDP"
    known = load(data) if data else None
    device = this_device() | {"agent": known.agent if known else str(uuid.uuid4()), "mechanism": mechanism}
    if name:
        device["name"] = name
    credential, new = carry_out(_register(server, number, device))
    store_login(credential, data, host, port, insecure)
    show(credential, "Welcome to Kith" if new else "Logged in", past=not new)


def show(credential: Credential, title: str, past: bool = False) -> None:
    """Prints who is logged in and what to do next. ``past``: the account existed before this login."""
    console.print(
        Panel.fit(
            f"You are [bold]{plain_markup(credential.address)}[/bold] on this device.\n\n"
            "[dim]Chat[/dim]            kith chat\n"
            "[dim]Your devices[/dim]    kith devices\n"
            "[dim]One more device[/dim] kith link",
            title=title,
            border_style="green",
            padding=(1, 3),
        )
    )
    if past:
        console.print(EARLIER_MESSAGES)


async def _register(server: str, number: str, device: dict[str, str]) -> tuple[Credential, bool]:
    """Asks for a code, and for the PIN if there is one.

    Returns the credential, and whether the account is new.

    Raises ClientError, ValueError.
    """
    async with ServerAPI(server) as api:
        sent = await api.ask("POST", "/api/register/code", {"number": number})
        console.print(f"\nA code is on its way to [bold]{plain_markup(sent['number'])}[/bold].")
        if api.base == LOCAL:
            console.print("[dim]A server without an SMS gateway shows it in its own output.[/dim]")
        login = await _with_code(api, sent["number"], device)
        return Credential.of(login, api.base), bool(login["new"])


async def _with_code(api: ServerAPI, number: str, device: dict[str, str]) -> Any:
    while True:
        code = Prompt.ask("Code", console=console).replace(" ", "").replace("-", "")
        if len(code) != 6 or not code.isdecimal():
            console.print("It has six digits.", style="yellow")
            continue
        request = {"number": number, "code": code, "device": device}
        try:
            return await api.ask("POST", "/api/register", request)
        except Refused as error:
            if error.reason == "pin-required":
                return await _with_pin(api, number, error, device)
            if error.reason != "wrong-code" or not error.answer.get("tries_left"):
                raise
            left = error.answer["tries_left"]
            console.print(
                f"{plain_markup(str(error))} {left} {'try' if left == 1 else 'tries'} left.", style="yellow"
            )


async def _with_pin(api: ServerAPI, number: str, asked: Refused, device: dict[str, str]) -> Any:
    days = -(-int(asked.answer["without_pin_in"]) // 86400)
    console.print(
        "\nThis account has a PIN. [dim]Forgotten? You can log in without it when no device of the account "
        f"has been online for seven days: in {days} {'day' if days == 1 else 'days'} at the earliest.[/dim]"
    )
    while True:
        pin = Prompt.ask("PIN", console=console, password=True).strip()
        request = {"number": number, "proof": asked.answer["proof"], "pin": pin, "device": device}
        try:
            return await api.ask("POST", "/api/register/pin", request)
        except Refused as error:
            if error.reason != "wrong-pin" or error.answer.get("retry_after"):
                raise
            console.print(str(error), style="yellow", markup=False)
