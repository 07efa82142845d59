"""What the client commands share: options, the logged-in account, and how errors end a command."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from kith.client.accounts import Account, remember, remembered
from kith.client.addresses import data_folder
from kith.client.credential import Credential, load
from kith.client.database import Database
from kith.client.errors import ClientError
from kith.console import SafeConsole

_T = TypeVar("_T")
console = SafeConsole(markup=True)

JidOption = Annotated[
    str | None, typer.Option("--jid", envvar="KITH_JID", help="Your address. By default, the one used last.")
]
ServerOption = Annotated[
    str,
    typer.Option("--server", envvar="KITH_SERVER", help="The server, like https://chat.example.org"),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", file_okay=False, help="Folder for keys and history.", show_default=False),
]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host", envvar="KITH_HOST", help="The XMPP host, if DNS does not have it.", show_default=False
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port", envvar="KITH_PORT", help="The XMPP port. 5223 means direct TLS.", show_default=False
    ),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="XMPP without TLS, for tests on your own machine.")
]


def run(name: str, app: typer.Typer, arguments: Sequence[str]) -> None:
    """Runs a command with arguments, and ends the program."""
    app(args=list(arguments), prog_name=name)


def stop(text: str, status: int = 1) -> NoReturn:
    """Prints one line that says what is wrong, and ends the program."""
    SafeConsole(stderr=True).print(text, style="red", soft_wrap=True)
    raise typer.Exit(status)


def carry_out(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine and returns its result. An error with a text for people ends the program with it."""
    try:
        return asyncio.run(work)
    except (ClientError, ValueError) as error:
        stop(str(error))
    except (KeyboardInterrupt, EOFError):
        stop("")


def logged_in(jid: str | None) -> Credential:
    """The credential of the account with an address, or of the one used last. Ends the program if none is."""
    known = remembered()
    chosen = next((one for one in known if jid in (None, one.jid)), Account(jid) if jid else None)
    if chosen is None:
        stop("Nobody is logged in here. Log in with: kith login +49…")
    found = load(Path(chosen.data) if chosen.data else data_folder(chosen.jid))
    if found is None:
        stop(f"{chosen.jid} is not logged in on this device. Log in with: kith login")
    return found


@contextlib.contextmanager
def account_data(folder: Path) -> Iterator[Database]:
    """The database in an account's folder, closed at the end. Raises AccountInUse, DataUnusable."""
    db = Database(folder)
    try:
        yield db
    finally:
        db.close()


def store_login(
    credential: Credential, data: Path | None, host: str | None, port: int | None, insecure: bool
) -> None:
    """Stores a login, and makes its account the one that is used from now on."""
    folder = data.absolute() if data else data_folder(credential.address)
    with account_data(folder) as db:
        credential.save(db)
    remember(Account(credential.address, host, port, str(folder) if data is not None else None, insecure))
