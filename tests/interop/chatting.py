"""What every client has to be able to do: write both ways, and come back after the server was killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from tests.conftest import RunningServer
from tests.interop.slix import Slix, befriend, online

T = TypeVar("T")
#: `make chaos` tries those as well that take long.
LONG = os.environ.get("CHAOS") == "long"
#: Seconds that a client may take to come back. Dino takes 100, which is tried in the long form only.
PATIENCE = 150 if LONG else 60
_VCARD = "<iq type='set' id='vcard'><vCard xmlns='vcard-temp'><FN>somebody</FN></vCard></iq>"


class Chatting(Protocol):
    """A client with one conversation."""

    async def say(self, text: str) -> None:
        """Writes a message to the peer."""

    async def reads(self, *texts: str) -> None:
        """Waits until these are all messages that it has, in this order."""


async def eventually(look: Callable[[], Awaitable[T]], expected: T, timeout: float = PATIENCE) -> None:
    """Looks until it is as expected. Raises AssertionError with what it is otherwise."""
    found: T | None = None
    try:
        async with asyncio.timeout(timeout):
            while (found := await look()) != expected:
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{found} instead of {expected}") from None


async def make_contacts(server: RunningServer, account: str, peer: str) -> None:
    """Each sees the other's presence. Both have a vCard, or Psi+ would ask for one."""
    async with (
        online(account, server.port, host=server.address) as one,
        online(peer, server.port, host=server.address) as other,
    ):
        await befriend(one, other)
        for client in (one, other):
            client.send_raw(_VCARD)
            await client.ping()


async def write_both_ways(
    client: Chatting, account: str, peer: Slix, word: str, before: tuple[str, ...] = ()
) -> None:
    """A message each way. ``before``: the texts that the client has already."""
    peer.send_message(mto=account, mbody=f"{word} to you", mtype="chat")
    await client.reads(*before, f"{word} to you")
    await client.say(f"{word} from me")
    async with asyncio.timeout(
        PATIENCE
    ):  # what the peer read before the kill may come again: it acknowledges late
        while (message := await peer.message())["body"] != f"{word} from me":
            pass
    assert message["from"].bare == account
