"""Which account and which server a command is about, and how it ends when that does not work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from kith.client.accounts import Account, remember, remembered
from kith.client.client import data_folder
from kith.client.credential import Credential, load
from kith.client.database import Database
from kith.client.errors import ClientError
from kith.console import SafeConsole

_T = TypeVar("_T")
console = SafeConsole(markup=True)

JidOption = Annotated[
    str | None, typer.Option("--jid", envvar="KITH_JID", help="Your address. Default: the one used last.")
]
ServerOption = Annotated[
    str,
    typer.Option("--server", envvar="KITH_SERVER", help="Where the server is, like https://chat.example.org"),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", file_okay=False, help="Folder for keys and history.", show_default=False),
]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host", envvar="KITH_HOST", help="Where XMPP is, if DNS does not know it.", show_default=False
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", envvar="KITH_PORT", help="Its port; 5223 means direct TLS.", show_default=False),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="XMPP without TLS. For tests on your own machine.")
]


def run(name: str, app: typer.Typer, arguments: Sequence[str]) -> None:
    """A command with these arguments. Ends the program."""
    app(args=list(arguments), prog_name=name)


def stop(text: str, status: int = 1) -> NoReturn:
    """One line on what is wrong, and the end."""
    SafeConsole(stderr=True).print(text, style="red", soft_wrap=True)
    raise typer.Exit(status)


def carry_out(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs it; an error that is for a person ends the program with it."""
    try:
        return asyncio.run(work)
    except (ClientError, ValueError) as error:
        stop(str(error))
    except (KeyboardInterrupt, EOFError):
        stop("")


def logged_in(jid: str | None) -> Credential:
    """The device that this machine is of an account, or the end of the program."""
    known = remembered()
    chosen = next((one for one in known if jid in (None, one.jid)), Account(jid) if jid else None)
    if chosen is None:
        stop("Nobody is logged in here. Begin with: kith login +49…")
    found = load(Path(chosen.data) if chosen.data else data_folder(chosen.jid))
    if found is None:
        stop(f"{chosen.jid} is not logged in on this device. Begin with: kith login")
    return found


@contextlib.contextmanager
def account_data(folder: Path) -> Iterator[Database]:
    """An account's file. Raises AccountInUse."""
    db = Database(folder)
    try:
        yield db
    finally:
        db.close()


def keep(
    credential: Credential, data: Path | None, host: str | None, port: int | None, insecure: bool
) -> None:
    """Stores a login, and makes it the account that is used from now on."""
    folder = data.absolute() if data else data_folder(credential.address)
    with account_data(folder) as db:
        credential.save(db)
    remember(Account(credential.address, host, port, str(folder) if data is not None else None, insecure))
