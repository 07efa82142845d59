"""The commands about the server as a whole: run it, look after it, invite people to it."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from kith.cli.options import ConfigOption
from kith.cli.options import settings as load_settings
from kith.commands.fail import fail

if TYPE_CHECKING:
    from kith.config.renamed import Renamed


def add_commands(app: typer.Typer) -> None:
    """Adds the commands, in the order of `kith --help`."""
    for command in (serve, settings, invite, announce, reports, backup, restore, doctor):
        app.command()(command)


class Role(StrEnum):
    """What a server process does."""

    messages = "messages"
    media = "media"


def serve(
    role: Annotated[
        Role,
        typer.Option(
            help="messages: everything. media: only the files that people send, for a message server."
        ),
    ] = Role.messages,
    config: ConfigOption = None,
) -> None:
    """Run the message server until Ctrl-C.

    Without settings it serves the domain localhost from the folder ./data. Example:
    KITH_DOMAIN=example.org kith serve
    """
    from kith.config import load
    from kith.process import serve

    renamed: list[Renamed] = []
    loaded = load_settings(config, renamed.append)
    raise typer.Exit(serve(loaded, renamed, lambda: load(config, os.environ), role.value))


def settings() -> None:
    """List all settings with their defaults.

    Write them into a TOML file for --config, or into the environment: data_dir is KITH_DATA_DIR there.
    """
    from kith.commands.settings import show

    show()


def invite(
    contact: Annotated[
        Optional[str],
        typer.Option(help="Who invites: the two become each other's contacts.", show_default=False),
    ] = None,
    name: Annotated[
        Optional[str], typer.Option(help="The only user name that may be chosen.", show_default=False)
    ] = None,
    days: Annotated[float, typer.Option(min=0.01, max=365, help="Days until it expires.")] = 7,
    config: ConfigOption = None,
) -> None:
    """Create an invitation: a link with which one person can create an account.

    Needs the setting registration = invite (or open). Example: kith invite --contact ada@localhost
    """
    from kith.commands.invite import invite

    invite(load_settings(config), contact, name, days)


def announce(
    text: Annotated[
        Optional[str],
        typer.Argument(help="What to tell everybody; - for standard input.", show_default=False),
    ] = None,
    days: Annotated[
        float, typer.Option(min=0.01, max=365, help="For how many days people get it who were away.")
    ] = 14,
    list_all: Annotated[bool, typer.Option("--list", help="List the announcements.")] = False,
    cancel: Annotated[
        Optional[str],
        typer.Option(metavar="ID", help="Cancel an announcement.", show_default=False),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Tell everybody something, as a message from the server.

    Who is online gets it at once, others when they come online, until it expires. Each account gets it once,
    on all its devices. A cancelled one disappears from devices that have it. Example:
    kith announce --days 3 "On Sunday from 8 to 9 UTC, the server moves."
    """
    from kith.commands import announce

    if (text is not None) + list_all + (cancel is not None) != 1:
        fail("say what to announce, or use --list or --cancel ID")
    loaded = load_settings(config)
    if cancel is not None:
        announce.cancel(loaded, cancel)
    elif text is not None:
        announce.announce(loaded, announce.read() if text == "-" else text, days)
    else:
        announce.show(loaded)


def reports(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all reports.")] = False,
    config: ConfigOption = None,
) -> None:
    """See who was reported for spam or abuse."""
    from kith.commands import reports

    (reports.clear if clear else reports.show)(load_settings(config))


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="The file to write, or the folder for it.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    to: Annotated[
        Optional[list[str]],
        typer.Option(
            "--to",
            metavar="KEY|FILE",
            help="Encrypt it for a public key of age (age1…) or SSH, or those in a file.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int, typer.Option(min=0, help="How many backups to keep in the folder, this one included. 0: all.")
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing unless something is wrong.")] = False,
    config: ConfigOption = None,
) -> None:
    """Save everything that the server needs in one file, while it runs.

    The file contains the database, the server's secret, its certificate and key. Examples:
    kith backup --quiet --keep 14 --to age1… /var/backups/; kith backup --force today.tar
    """
    from kith.commands.backup import Wishes, backup
    from kith.config.load import settings_file

    wishes = Wishes(force, to or (), keep, quiet)
    backup(load_settings(config), target, settings_file(config, os.environ), wishes)


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file that kith backup wrote.")],
    identity: Annotated[
        Optional[Path],
        typer.Option(
            metavar="FILE", help="The private key of age or SSH, if it is encrypted.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Check a backup and fill an empty data folder from it.

    The folder is that of the setting data_dir. Example:
    KITH_DATA_DIR=/var/lib/kith kith restore today.tar
    """
    from kith.commands.restore import restore

    restore(load_settings(config), source, identity)


def doctor(
    domain: Annotated[
        Optional[str],
        typer.Argument(
            help="Another server, to look at as its clients do. By default, the one on this machine.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Check ports, certificate, disk, database, clock and DNS, and say what to do.

    What a firewall does, only another machine can see. There, run: kith doctor chat.example.org
    """
    from kith.commands.doctor import doctor, doctor_of

    raise typer.Exit(doctor_of(domain) if domain is not None else doctor(load_settings(config)))
