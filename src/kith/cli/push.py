"""`kith push`: waking devices."""

from __future__ import annotations

from typing import Annotated

import typer

from kith.cli.options import ConfigOption, settings

push = typer.Typer(help="See whether devices can be woken.", no_args_is_help=True)


@push.callback()
def _group() -> None:
    pass


@push.command("test")
def wake(
    account: Annotated[str, typer.Argument(help="The account, like ada@example.org.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """Wake all devices of an account, and show what their push services answer.

    The devices look for messages, and show nothing if there are none. The exit status is 1 if a push failed.
    Example: kith push test ada@localhost
    """
    from kith.commands.push import wake

    wake(settings(config), account)
