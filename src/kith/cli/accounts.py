"""`kith user` and `kith device`: accounts, and where they are logged in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from kith.cli.options import ConfigOption, new_password, settings
from kith.commands.fail import fail

user = typer.Typer(
    help="Add, list and remove accounts, whether or not the server is running.", no_args_is_help=True
)
device = typer.Typer(help="See where an account is logged in, and log its devices out.", no_args_is_help=True)

PasswordOption = Annotated[
    Optional[str],
    typer.Option(help="Visible to others on this machine; prompted for if omitted.", show_default=False),
]
PasswordFileOption = Annotated[
    Optional[Path],
    typer.Option(
        allow_dash=True,
        dir_okay=False,
        help="A file whose first line is the password; - for standard input.",
        show_default=False,
    ),
]


@user.command("add")
def user_add(
    jid: Annotated[str, typer.Argument(help="you@example.org, or only the part before the @.")],
    password: PasswordOption = None,
    password_file: PasswordFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Add an account. Example: kith user add ada@localhost"""
    from kith.commands import users

    users.add(settings(config), jid, new_password(password, password_file))


@user.command("list")
def user_list(
    query: Annotated[str, typer.Argument(help="A part of the address or the name.", show_default=False)] = "",
    state: Annotated[
        str, typer.Option(metavar="STATE", help="Only these: online, active, suspended or banned.")
    ] = "",
    inactive: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Only those who were not online for so many days.")
    ] = 0,
    storage: Annotated[
        bool, typer.Option("--storage/--quick", help="Whether to add up what each account takes up.")
    ] = True,
    long: Annotated[bool, typer.Option("--long", "-l", help="A table even into a pipe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    config: ConfigOption = None,
) -> None:
    """List the accounts: when they were last there, devices, what they take up, network addresses.

    Into a pipe, one address per line. Examples: kith user list --inactive 180; kith user list 4917 --quick
    """
    from kith.commands import people

    if state not in ("", "online", "active", "suspended", "banned"):
        fail(f"--state is online, active, suspended or banned, not {state}")
    form = "json" if as_json else "table" if long or sys.stdout.isatty() else "short"
    chosen = people.Chosen(query, state, inactive, storage and form != "short", form)
    people.show(settings(config), chosen)


@user.command("show")
def user_show(
    jid: Annotated[str, typer.Argument(help="The account to look at.")],
    config: ConfigOption = None,
) -> None:
    """Show one account: devices, sessions, network addresses, storage, suspensions and bans."""
    from kith.commands import person

    person.show(settings(config), jid)


@user.command("passwd")
def user_passwd(
    jid: Annotated[str, typer.Argument(help="The account whose password to change.")],
    password: PasswordOption = None,
    password_file: PasswordFileOption = None,
    config: ConfigOption = None,
) -> None:
    """Change a password. This logs out all devices of the account."""
    from kith.commands import users

    users.change_password(settings(config), jid, new_password(password, password_file))


@user.command("remove")
def user_remove(
    jid: Annotated[str, typer.Argument(help="The account to remove.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")] = False,
    ban: Annotated[bool, typer.Option("--ban", help="Also let nobody register it again.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove an account with its messages and contacts. This can't be undone."""
    from kith.commands import users

    loaded = settings(config)
    if not yes and not typer.confirm(f"Remove {jid} and everything that belongs to it?"):
        raise typer.Exit(1)
    users.remove(loaded, jid, ban)


@user.command("export")
def user_export(
    jid: Annotated[str, typer.Argument(help="The account whose data to export.")],
    output: Annotated[
        Optional[Path],
        typer.Option(help="The file to write. By default, its name has the date.", show_default=False),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write everything that the server has of a person into a ZIP file."""
    from kith.commands import export

    export.write(settings(config), jid, output)


@user.command("import")
def user_import(
    file: Annotated[Path, typer.Argument(help="CSV with the header: jid,password")],
    config: ConfigOption = None,
) -> None:
    """Add many accounts from a CSV file. Accounts that exist are left unchanged."""
    from kith.commands import users

    users.import_file(settings(config), file)


def add_commands(app: typer.Typer) -> None:
    """Adds the commands that move accounts between servers."""
    app.command("import")(import_)
    app.command("export")(export_)


def import_(
    path: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="A file of XEP-0227, or a folder of them.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken.")] = False,
    domain: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="OLD=NEW", help="Take the accounts of another domain along.", show_default=False
        ),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Also give existing accounts what they do not have.")
    ] = False,
    prosody: Annotated[
        Optional[Path],
        typer.Option(
            metavar="DIR",
            help="Prosody's data folder, for block lists, waiting messages and rooms.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Move in: take accounts of Prosody, ejabberd or another Kith, with all that belongs to them.

    That is passwords, contacts, cards, PEP nodes, private storage, block lists, and messages. The server must
    not run. An import that was interrupted continues if it is run again. Examples:
    kith import --dry-run /root/export/; kith import --domain old.example=new.example old.xml
    """
    from kith.commands.import_ import import_

    import_(settings(config), path, domain or [], dry_run, merge, prosody)


def export_(
    jids: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="[ADDRESS]...", help="The accounts and rooms.", show_default=False),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All accounts and rooms.")] = False,
    output: Annotated[
        Optional[Path],
        typer.Option(
            help="The file to write; - is a pipe. By default, its name has the date.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    config: ConfigOption = None,
) -> None:
    """Move out: write accounts as XEP-0227, which kith import and other servers read.

    The server may run. For everything that the server has of one person, see kith user export. Example:
    kith export --all --output everybody.xml
    """
    from kith.commands.export_ import export_

    export_(settings(config), jids or [], everybody, output, force)


@device.command("list")
def device_list(
    jid: Annotated[str, typer.Argument(help="The account whose devices to list.")],
    config: ConfigOption = None,
) -> None:
    """List the devices of an account. Example: kith device list ada@localhost"""
    from kith.commands import devices

    devices.show(settings(config), jid)


@device.command("revoke")
def device_revoke(
    jid: Annotated[str, typer.Argument(help="The account of the device.")],
    id: Annotated[
        Optional[str], typer.Argument(help="The device's ID in kith device list.", show_default=False)
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="All devices of the account.")] = False,
    config: ConfigOption = None,
) -> None:
    """Log a device out: its token becomes invalid and its sessions end. It can log in again by password."""
    from kith.commands import devices

    if (id is None) is not all:
        fail("name one device, or use --all")
    devices.revoke(settings(config), jid, id)
