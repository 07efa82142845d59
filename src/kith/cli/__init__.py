"""The `kith` command. Each subcommand imports what it needs only when it runs, so that `--help` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from kith import __version__
from kith.cli import accounts, admin, bans, clients, server
from kith.cli.media import media
from kith.cli.push import push
from kith.cli.secret import secret
from kith.terminal import say

app = typer.Typer(
    name="kith",
    help="A messenger that you run yourself: end-to-end encrypted, on XMPP.",
    epilog=(
        "To begin, run: kith serve. Then, in another terminal: kith user add you@localhost; kith chat. "
        "To back up everything, run: kith backup /var/backups/"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
server.add_commands(app)
accounts.add_commands(app)
bans.add_commands(accounts.user)
app.add_typer(accounts.user, name="user")
app.add_typer(accounts.device, name="device")
app.add_typer(secret, name="secret")
app.add_typer(push, name="push")
app.add_typer(media, name="media")
admin.add_commands(app)
clients.add_commands(app)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"kith {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point."""
    app(prog_name="kith")
