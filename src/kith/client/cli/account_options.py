"""Which account a command uses, how it is reached, and its password: never only as an argument."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kith.client.accounts import Account, remembered
from kith.client.addresses import data_folder
from kith.client.credential import load
from kith.client.errors import DataUnusable

JidOption = Annotated[
    str | None, typer.Option("--jid", envvar="KITH_JID", help="Your address. By default, the one used last.")
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        allow_dash=True,
        dir_okay=False,
        help="A file whose first line is the password; - for standard input. Or set KITH_PASSWORD.",
        show_default=False,
    ),
]
#: The password of the environment; there is no such option.
PasswordOption = Annotated[str | None, typer.Option(envvar="KITH_PASSWORD", hidden=True)]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host", envvar="KITH_HOST", help="The server, if DNS does not have it.", show_default=False
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", envvar="KITH_PORT", help="The port. 5223 means direct TLS.", show_default=False),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", file_okay=False, help="Folder for keys and history.", show_default=False),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Connect without TLS, for tests on your own machine.")
]


def chosen_account(
    jid: str | None,
    host: str | None = None,
    port: int | None = None,
    data: Path | None = None,
    insecure: bool = False,
) -> Account:
    """The account with an address, or the one used last, with what the command line says about it.

    Asks for the address if there is none and a terminal; else raises typer.BadParameter.
    """
    known = remembered()
    if jid is None:
        if known:
            jid = known[0].jid
        elif sys.stdin.isatty():
            jid = str(typer.prompt("Your address, like ada@localhost")).strip()
        else:
            raise typer.BadParameter("give your address with --jid, like ada@example.org")
    account = next((account for account in known if account.jid == jid), Account(jid))
    return replace(
        account,
        host=host or account.host,
        port=port or account.port,
        data=str(data.absolute()) if data else account.data,
        insecure=insecure or account.insecure,
    )


def account_password(account: Account, password: str | None, file: Path | None) -> str | None:
    """The password to use; None if this device is logged in with a token.

    It comes from ``password`` (the environment), from the first line of a file or of standard input, or from
    a prompt. Raises typer.BadParameter if there is no terminal to ask on.
    """
    if file is not None:
        return first_line(file)
    if password is not None:
        return password
    if load(Path(account.data) if account.data else data_folder(account.jid)):
        return None
    if not sys.stdin.isatty():
        raise typer.BadParameter("give the password with --password-file or KITH_PASSWORD")
    return str(typer.prompt(f"Password of {account.jid}", hide_input=True))


def first_line(file: Path) -> str:
    """The first line of a file, or of standard input if it is called ``-``, without its end.

    Raises typer.BadParameter.
    """
    if str(file) == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        with file.open() as opened:
            return opened.readline().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise typer.BadParameter(f"{file} can't be read: {reason}", param_hint="--password-file") from None


def whole_address(peer: str, account: Account) -> str:
    """An address that a person typed: a number or a name alone is one on their own server, or a group's."""
    if "@" in peer:
        return peer
    return _group_named(peer, account) or f"{peer}@{account.jid.partition('@')[2]}"


def _group_named(name: str, account: Account) -> str | None:
    """The address of the group with a name, if there is one on this device, and only one."""
    from kith.client.cli.local import LocalHistory

    try:
        with LocalHistory(Path(account.data) if account.data else data_folder(account.jid)) as local:
            found = local.groups_named(name)
    except (OSError, ValueError, DataUnusable):
        return None
    return found[0] if len(found) == 1 else None


def known_peers(incomplete: str) -> list[str]:
    """The addresses that a shell offers to complete: those of the chats of the account used last."""
    from kith.client.cli.local import LocalHistory

    known = remembered()
    if not known:
        return []
    account = known[0]
    try:
        with LocalHistory(Path(account.data) if account.data else data_folder(account.jid)) as local:
            return [chat.peer for chat in local.chats() if chat.peer.startswith(incomplete)]
    except (OSError, ValueError):
        return []
