"""`kith chat`: reads the command line, and runs the terminal client."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kith.client.accounts import Account, remember, remembered
from kith.client.addresses import bare
from kith.client.cli.account_options import (
    PasswordFileOption,
    account_password,
    chosen_account,
    known_peers,
    whole_address,
)
from kith.console import SafeConsole


def chat_command(
    peer: Annotated[
        str | None,
        typer.Argument(
            help="Whom to write to, like ben@example.org. By default, the list of chats.",
            autocompletion=known_peers,
        ),
    ] = None,
    jid: Annotated[
        str | None, typer.Option(envvar="KITH_JID", help="Your address. By default, the one used last.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            envvar="KITH_PASSWORD", help="Prompted for if omitted. Visible to others on the command line."
        ),
    ] = None,
    password_file: PasswordFileOption = None,
    host: Annotated[
        str | None, typer.Option(envvar="KITH_HOST", help="The server, if DNS does not have it.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(envvar="KITH_PORT", help="The port. 5223 means direct TLS.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for keys and history."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Connect without TLS, for tests on your own machine.")
    ] = False,
) -> None:
    """Chat in the terminal, end-to-end encrypted.

    Examples:  kith chat --jid ada@example.org     kith chat ben@example.org
    """
    account = chosen_account(jid, host, port, data, insecure)
    peer = whole_address(peer, account) if peer else None
    secret = account_password(account, password, password_file)
    status, following = _chat(account, secret, peer)
    while following is not None:  # the user changes to another account
        account = chosen_account(following)
        status, following = _chat(account, account_password(account, None, None), None)
    raise typer.Exit(status)


def run(arguments: Sequence[str]) -> None:
    """Runs `kith chat` with arguments, and ends the program."""
    app = typer.Typer(add_completion=False)
    app.command("kith chat")(chat_command)
    app(args=list(arguments), prog_name="kith chat")


def _chat(account: Account, password: str | None, peer: str | None) -> tuple[int, str | None]:
    """Runs the terminal client. Returns the exit status, and the address of the account to change to."""
    # Imported here so that `kith chat --help` does not wait for Textual.
    from kith.client.cli.connecting import client_of
    from kith.client.tui.app import ChatApp
    from kith.client.tui.pictures import look_at_terminal
    from kith.client.tui.preferences import load
    from kith.client.tui.themes import DARK, LIGHT

    try:
        peer = bare(peer) if peer else None
        client = client_of(account, password)
        preferences = load(ChatApp.key_names(), (DARK, LIGHT))
    except ValueError as error:
        SafeConsole(stderr=True).print(str(error), style="red", soft_wrap=True)
        return 2, None
    if "NO_COLOR" in os.environ:
        os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "standard")
    known = [one.jid for one in remembered()]
    look_at_terminal()
    app = ChatApp(client, peer, account.theme, preferences, known)
    app.run()
    if app.was_online:
        remember(replace(account, jid=client.jid, theme=app.theme))
    if app.problem:
        SafeConsole(stderr=True).print(app.problem, style="red", soft_wrap=True)
        return 1, None
    return 0, app.next_account
