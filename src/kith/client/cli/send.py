"""`kith send`: sends a text from the command line, a pipe or cron."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kith.client.accounts import Account
from kith.client.cli.account import carry_out, stop
from kith.client.cli.account_options import (
    DataOption,
    HostOption,
    InsecureOption,
    JidOption,
    PasswordFileOption,
    PasswordOption,
    PortOption,
    account_password,
    chosen_account,
    known_peers,
    whole_address,
)
from kith.client.errors import PeerHasNoDevices
from kith.client.message import State
from kith.terminal import say

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Wait(StrEnum):
    """How far a message has to get before the command ends."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"


@app.command()
def send(
    peer: Annotated[
        str,
        typer.Argument(help="Whom to write to: ben@example.org, or ben.", autocompletion=known_peers),
    ],
    text: Annotated[
        str | None, typer.Argument(help="The text; by default, standard input.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", exists=True, dir_okay=False, help="A file to send; the text is its caption."
        ),
    ] = None,
    as_document: Annotated[
        bool, typer.Option("--document", help="Send the file as it is, with all metadata.")
    ] = False,
    unencrypted: Annotated[
        bool, typer.Option("--unencrypted", help="Send this message without encryption.")
    ] = False,
    wait: Annotated[Wait, typer.Option(help="How far it has to get before the command ends.")] = Wait.SENT,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that this may take.")] = 60.0,
    jid: JidOption = None,
    password_file: PasswordFileOption = None,
    password: PasswordOption = None,
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Send a text or a file, end-to-end encrypted. The status is 0 once the server has it.

    Examples:  kith send ben "Dinner is ready"     df -h | kith send ada@example.org
               kith send ben -f garden.jpg "My garden"
    """
    account = chosen_account(jid, host, port, data, insecure)
    secret = account_password(account, password, password_file)
    if file is not None and text is None:
        text = ""
    if text is None or text == "-":
        if sys.stdin.isatty():
            say("Write the text, then Ctrl-D.", sys.stderr)
        text = sys.stdin.read().rstrip("\n")
    whom, state = whole_address(peer, account), State(wait.value)
    carry_out(_send(account, secret, whom, text, file, as_document, unencrypted, state, timeout))


async def _send(
    account: Account,
    password: str | None,
    peer: str,
    text: str,
    file: Path | None,
    as_document: bool,
    unencrypted: bool,
    wait: State,
    timeout: float,
) -> None:
    from kith.client.cli.connecting import client_of  # it takes long to import

    async with client_of(account, password) as client:
        try:
            await client.wait_online(timeout)
            encrypted = False if unencrypted else None
            if file is None:
                await client.send(peer, text, encrypted=encrypted, wait=wait, timeout=timeout)
                return
            async with asyncio.timeout(timeout):
                sent = await client.send_file(
                    peer, file, caption=text, as_document=as_document, encrypted=encrypted
                )
                await client.wait_for(sent, wait, None)
        except TimeoutError:
            stop(f"{file} was not sent within {timeout:g} seconds. It goes out the next time.")
        except PeerHasNoDevices:
            stop(
                f"{peer} has no device that can read encrypted messages. Nothing was sent. "
                "To send it unencrypted this once, add --unencrypted."
            )
