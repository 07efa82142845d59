"""The `kith` command. What a command needs is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from kith import __version__
from kith.commands.fail import fail
from kith.terminal import say

if TYPE_CHECKING:
    from kith.config import Config

app = typer.Typer(
    name="kith",
    help="A messenger that you run yourself: end-to-end encrypted, on XMPP.",
    epilog=(
        "Begin with: kith serve. Then, in another terminal: kith user add you@localhost; kith chat. "
        "Save everything with: kith backup /var/backups/"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user = typer.Typer(
    help="Add, list and remove accounts, beside a running server or without one.", no_args_is_help=True
)
app.add_typer(user, name="user")
device = typer.Typer(help="See and end the logins of an account's devices.", no_args_is_help=True)
app.add_typer(device, name="device")

ConfigOption = Annotated[
    Optional[Path],
    typer.Option(
        "--config", metavar="FILE", help="Settings in TOML; KITH_* variables win over it.", show_default=False
    ),
]


def settings(file: Path | None) -> Config:
    """The settings, or the end with one line on what is wrong."""
    from kith.config import Config, ConfigError

    try:
        return Config.load(file, os.environ)
    except ConfigError as error:
        fail(str(error))


def _version(wanted: bool) -> None:
    if wanted:
        say(f"kith {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run the message server until Ctrl-C.

    Without settings it serves the domain localhost from the folder ./data. Example:
    KITH_DOMAIN=example.org kith serve
    """
    from kith.server import serve

    raise typer.Exit(serve(settings(config)))


@app.command()
def invite(
    contact: Annotated[
        Optional[str],
        typer.Option(help="Who invites: both are in each other's contacts.", show_default=False),
    ] = None,
    name: Annotated[
        Optional[str], typer.Option(help="The only name that may be chosen.", show_default=False)
    ] = None,
    days: Annotated[float, typer.Option(min=0.01, max=365, help="How long it is good.")] = 7,
    config: ConfigOption = None,
) -> None:
    """Make a link with which one person makes an account.

    Needs the setting registration = invite (or open). Example: kith invite --contact ada@localhost
    """
    from kith.commands.invite import invite

    invite(settings(config), contact, name, days)


@app.command()
def reports(
    clear: Annotated[bool, typer.Option("--clear", help="Forget them, once seen.")] = False,
    config: ConfigOption = None,
) -> None:
    """See who was reported for spam or abuse."""
    from kith.commands import reports

    (reports.clear if clear else reports.show)(settings(config))


@app.command()
def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="The file to write, or the folder for it.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    config: ConfigOption = None,
) -> None:
    """Save everything the server needs in one file, while it runs.

    The file holds the database, the server's secret, its certificate and key. Examples:
    kith backup /var/backups/; kith backup --force today.tar
    """
    from kith.commands.backup import backup

    named = config or (Path(os.environ["KITH_CONFIG"]) if os.environ.get("KITH_CONFIG") else None)
    backup(settings(config), target, named, force)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What kith backup has written.")],
    config: ConfigOption = None,
) -> None:
    """Make a data folder from a backup, which is checked first.

    The folder of the setting data_dir has to be empty. Example:
    KITH_DATA_DIR=/var/lib/kith kith restore today.tar
    """
    from kith.commands.restore import restore

    restore(settings(config), source)


@app.command()
def doctor(config: ConfigOption = None) -> None:
    """Check ports, certificate, disk, clock and DNS, and say what to do."""
    from kith.commands.doctor import doctor

    raise typer.Exit(doctor(settings(config)))


@user.command("add")
def user_add(
    jid: Annotated[str, typer.Argument(help="you@example.org; or only the name, for the server's domain.")],
    password: Annotated[
        Optional[str], typer.Option(help="Asked for if left out.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Add an account. Example: kith user add ada@localhost"""
    from kith.commands import users

    users.add(settings(config), jid, password if password is not None else _new_password())


@user.command("list")
def user_list(config: ConfigOption = None) -> None:
    """List the accounts, one address a line."""
    from kith.commands import users

    users.show(settings(config))


@user.command("passwd")
def user_passwd(
    jid: Annotated[str, typer.Argument(help="Whose password to change.")],
    password: Annotated[
        Optional[str], typer.Option(help="Asked for if left out.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Change a password."""
    from kith.commands import users

    users.change_password(settings(config), jid, password if password is not None else _new_password())


@user.command("remove")
def user_remove(
    jid: Annotated[str, typer.Argument(help="Whose account to remove.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove an account with its messages and contacts. There is no way back."""
    from kith.commands import users

    loaded = settings(config)
    if not yes and not typer.confirm(f"Remove {jid} and all that belongs to it?"):
        raise typer.Exit(1)
    users.remove(loaded, jid)


@user.command("export")
def user_export(
    jid: Annotated[str, typer.Argument(help="Whose data.")],
    output: Annotated[
        Optional[Path], typer.Option(help="The file; a name with the date by default.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write all that the server has of a person into a ZIP file."""
    from kith.commands import export

    export.write(settings(config), jid, output)


@device.command("list")
def device_list(
    jid: Annotated[str, typer.Argument(help="Whose devices.")], config: ConfigOption = None
) -> None:
    """List an account's devices. Example: kith device list ada@localhost"""
    from kith.commands import devices

    devices.show(settings(config), jid)


@device.command("revoke")
def device_revoke(
    jid: Annotated[str, typer.Argument(help="Whose device.")],
    id: Annotated[
        Optional[str], typer.Argument(help="The device, as kith device list shows it.", show_default=False)
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="All devices of the account.")] = False,
    config: ConfigOption = None,
) -> None:
    """End a device's login: its token is void and its sessions end. It can log in again by password."""
    from kith.commands import devices

    if (id is None) is not all:
        fail("name one device, or say --all")
    devices.revoke(settings(config), jid, id)


@user.command("import")
def user_import(
    file: Annotated[Path, typer.Argument(help="CSV with the header: jid,password")],
    config: ConfigOption = None,
) -> None:
    """Add many accounts from a CSV file; those that exist are left as they are."""
    from kith.commands import users

    users.import_file(settings(config), file)


_THE_CLIENTS: Any = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=_THE_CLIENTS, add_help_option=False)
def login(context: typer.Context) -> None:
    """Log in with a phone number. Example: kith login '+49 170 1234567'"""
    from kith.client.cli import login
    from kith.client.cli.account import run

    run("kith login", login.app, context.args)


@app.command(context_settings=_THE_CLIENTS, add_help_option=False)
def link(context: typer.Context) -> None:
    """Log in here by a code that another device of yours reads."""
    from kith.client.cli import link
    from kith.client.cli.account import run

    run("kith link", link.app, context.args)


@app.command(context_settings=_THE_CLIENTS, add_help_option=False)
def devices(context: typer.Context) -> None:
    """See where you are logged in, rename devices, log them out."""
    from kith.client.cli import devices
    from kith.client.cli.account import run

    run("kith devices", devices.app, context.args)


@app.command(context_settings=_THE_CLIENTS, add_help_option=False)
def apps(context: typer.Context) -> None:
    """Let other XMPP apps in, each with a password of its own."""
    from kith.client.cli import apps
    from kith.client.cli.account import run

    run("kith apps", apps.app, context.args)


@app.command(context_settings=_THE_CLIENTS, add_help_option=False)
def pin(context: typer.Context) -> None:
    """Set what is asked when your number registers again."""
    from kith.client.cli import pin
    from kith.client.cli.account import run

    run("kith pin", pin.app, context.args)


@app.command(context_settings=_THE_CLIENTS, add_help_option=False)
def chat(context: typer.Context) -> None:
    """Chat in the terminal, end-to-end encrypted. Example: kith chat ben@localhost"""
    from kith.client.command import run

    run(context.args)


def _new_password() -> str:
    if not sys.stdin.isatty():
        fail("no password: give it with --password")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more"))


def main() -> None:
    """The entry point."""
    app()
