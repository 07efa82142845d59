"""`kith history` and `kith tail`: messages for pipes and scripts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from kith.client.accounts import Account
from kith.client.addresses import bare, data_folder
from kith.client.cli.account import carry_out
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
from kith.client.cli.formats import write
from kith.client.cli.local import LocalHistory
from kith.client.errors import AccountInUse, ServerUnreachable, TimedOut
from kith.client.message import Message
from kith.terminal import say

_P = ParamSpec("_P")
history_app = typer.Typer(add_completion=False, rich_markup_mode=None)
tail_app = typer.Typer(add_completion=False, rich_markup_mode=None)
_JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]


@history_app.command()
def history(
    peer: Annotated[
        str,
        typer.Argument(help="With whom: ben@example.org, or ben.", autocompletion=known_peers),
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many messages, from the end.")] = 50,
    json: _JsonOption = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Only what is on this device; don't connect.")
    ] = False,
    jid: JidOption = None,
    password_file: PasswordFileOption = None,
    password: PasswordOption = None,
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Print the newest messages with somebody, oldest first.

    What came meanwhile is fetched first. While another program has the account open, it does that.
    Example:  kith history ben -n 10
    """
    account = chosen_account(jid, host, port, data, insecure)
    if not offline:
        carry_out(_fetch(account, account_password(account, password, password_file)))
    carry_out(_print(account, bare(whole_address(peer, account)), limit, json))


async def _fetch(account: Account, password: str | None) -> None:
    from kith.client.cli.connecting import client_of  # it takes long to import

    try:
        async with client_of(account, password) as client:
            await client.wait_online()
            await client.caught_up()
    except AccountInUse:
        pass
    except (ServerUnreachable, TimedOut) as error:
        say(f"{error} Only what is on this device is shown.", sys.stderr)


async def _print(account: Account, peer: str, limit: int, json: bool) -> None:
    with LocalHistory(Path(account.data) if account.data else data_folder(account.jid)) as local:
        found = local.page(peer, None, limit)
    for message in found:
        _piped(write, message, json)


@tail_app.command()
def tail(
    peers: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only messages with these people; by default, with everybody.",
            autocompletion=known_peers,
            show_default=False,
        ),
    ] = None,
    json: _JsonOption = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Begin with what came since the last kith tail --resume.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="End when everything that was missed is printed; implies --resume.")
    ] = False,
    jid: JidOption = None,
    password_file: PasswordFileOption = None,
    password: PasswordOption = None,
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Print messages as they come, until Ctrl-C.

    Also those that you write on other devices. With --resume, each message is printed once, also over
    restarts.
    Example:  kith tail --json | jq -r .body
    """
    account = chosen_account(jid, host, port, data, insecure)
    wanted = {bare(whole_address(peer, account)) for peer in peers or ()}

    def show(message: Message) -> None:
        if not wanted or message.peer in wanted:
            write(message, json)

    secret = account_password(account, password, password_file)
    carry_out(_tail(account, secret, show, resume or once, once))


async def _tail(
    account: Account, password: str | None, show: Callable[[Message], None], resume: bool, once: bool
) -> None:
    from kith.client.cli.connecting import client_of  # it takes long to import
    from kith.client.events import MessageReceived

    async with client_of(account, password) as client:
        if not resume:
            async for event in client.events():
                if isinstance(event, MessageReceived):
                    _piped(show, event.message)
            return
        if once:
            await client.wait_online()
            await client.caught_up()
        messages = client.messages()
        while True:
            following = asyncio.ensure_future(anext(messages))
            if once and not await _ready(following):
                return
            message = await following
            _piped(show, message)


async def _ready(following: asyncio.Future[Message]) -> bool:
    """Whether the next message is there already; if not, it is not waited for any more."""
    done, _ = await asyncio.wait((following,), timeout=0.1)
    if not done:
        following.cancel()
    return bool(done)


def _piped(show: Callable[_P, None], *arguments: _P.args, **named: _P.kwargs) -> None:
    """Prints, and ends the program without a word if nobody reads any more (``| head``)."""
    try:
        show(*arguments, **named)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its end
        raise typer.Exit(141) from None
