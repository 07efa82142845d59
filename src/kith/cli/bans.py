"""`kith user suspend`, `resume`, `ban`, `unban` and `bans`: who is excluded from the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from kith.cli.options import ConfigOption, settings
from kith.commands.fail import fail

if TYPE_CHECKING:
    from kith.records.bans import Kind

ReasonOption = Annotated[str, typer.Option(help="What the person is told, in place of the usual text.")]
NoteOption = Annotated[str, typer.Option(help="For operators only, in kith user bans.")]
DaysOption = Annotated[
    float, typer.Option(min=0, max=36500, help="Days until it ends. 0: when it is lifted.")
]


def add_commands(user: typer.Typer) -> None:
    """Adds the commands, in the order of `kith user --help`."""
    for name, command in (
        ("suspend", suspend),
        ("resume", resume),
        ("ban", ban),
        ("unban", unban),
        ("bans", bans),
    ):
        user.command(name)(command)


def suspend(
    jid: Annotated[str, typer.Argument(help="The account to suspend.")],
    reason: ReasonOption = "",
    note: NoteOption = "",
    days: DaysOption = 0,
    config: ConfigOption = None,
) -> None:
    """Let nobody use an account for a while. Messages for it are kept.

    Its connections end at once, and its devices can't log in. Others see it as offline. When it
    is resumed, its devices log in as before. Example:
    kith user suspend ada --days 7 --reason "Please call us."
    """
    from kith.commands import bans

    bans.suspend(settings(config), jid, reason, note, days)


def resume(
    jid: Annotated[str, typer.Argument(help="The account to resume.")],
    config: ConfigOption = None,
) -> None:
    """Let a suspended account be used again."""
    from kith.commands import bans

    bans.resume(settings(config), jid)


def ban(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="WHO...",
            help="Accounts, numbers (+4917…), the beginning of numbers (+4917*), IP addresses or networks.",
        ),
    ],
    prefix: Annotated[bool, typer.Option("--prefix", help="WHO is the beginning of numbers.")] = False,
    country: Annotated[bool, typer.Option("--country", help="WHO is a country, like DE.")] = False,
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Only let nobody register; leave existing accounts alone.")
    ] = False,
    reason: ReasonOption = "",
    note: NoteOption = "",
    days: DaysOption = 0,
    config: ConfigOption = None,
) -> None:
    """Exclude accounts, numbers, countries or networks. This outlives the accounts.

    Connections end at once; logins, registration, invitations and changes of number are refused.
    Accounts stay until you remove them (kith user remove), and banned numbers can't register again after
    that. Of an IPv6 address, its /64 network is banned. Examples:
    kith user ban spammer +491701234567; kith user ban 192.0.2.0/24 --new-only --days 7;
    kith user ban --country XX --new-only
    """
    from kith.commands import bans

    if prefix and country:
        fail("--prefix and --country exclude each other")
    kind: Optional[Kind] = "prefix" if prefix else "country" if country else None
    bans.ban(settings(config), targets, kind, new_only, reason, note, days)


def unban(
    target: Annotated[
        str, typer.Argument(metavar="WHO", help="What was banned, or its ID in kith user bans.")
    ],
    config: ConfigOption = None,
) -> None:
    """Lift a ban."""
    from kith.commands import bans

    bans.unban(settings(config), target)


def bans(
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    config: ConfigOption = None,
) -> None:
    """List who is suspended or banned, since when and why."""
    from kith.commands import bans

    bans.show(settings(config), json)
