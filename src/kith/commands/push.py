"""`kith push test`, and what `kith doctor` says about waking devices."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Sequence

import msgspec
from rich.table import Table
from rich.text import Text

from kith.admin.pushes import AskedPush, PushResult
from kith.base.clock import Clock
from kith.commands.fail import fail
from kith.commands.finding import Finding, Verdict
from kith.commands.running import ask
from kith.commands.tables import show_table
from kith.commands.users import checked_jid, with_store
from kith.config import Config
from kith.push import native_apps
from kith.push.carrier import Later
from kith.push.native import NativeError
from kith.terminal import one_line, say

#: The push services of browsers: who makes them, and where they are.
SERVICES = (
    ("Chrome, Edge, Android", "fcm.googleapis.com"),
    ("Firefox", "updates.push.services.mozilla.com"),
    ("Safari, iOS", "web.push.apple.com"),
)
_SECONDS = 5.0


def wake(config: Config, account: str) -> None:
    """Wakes all devices of an account, and shows what their push services answered."""
    bare = checked_jid(config, account)
    if with_store(config, lambda store: store.account(bare)) is None:
        fail(f"there is no account {bare}")
    body = ask(config, "POST", "/push", AskedPush(bare))
    if body is None:
        fail("the server is not running here, or does not answer: start it with kith serve")
    pushes = msgspec.json.decode(body, type=PushResult).pushes
    if not pushes:
        say(f"No device of {bare} wants to be woken. Apps ask for it when notifications are allowed in them.")
        return
    table = Table.grid(padding=(0, 2))
    for push in pushes:
        text = "sent" if not push.error else f"failed: {one_line(push.error)}"
        table.add_row(
            Text(push.carrier), Text(one_line(push.service)), Text(one_line(push.device)), Text(text)
        )
    show_table(table)
    if any(push.error for push in pushes):
        sys.exit(1)


async def check_push(
    config: Config,
    public: bool,
    self_signed: bool,
    services: Sequence[tuple[str, str]] = SERVICES,
    port: int = 443,
) -> list[Finding]:
    """What is missing so that devices can be woken. ``public``: the domain is one of the internet."""
    found = []
    if config.push_services and not config.federation and self_signed:
        todo = "get a certificate from an authority; other servers can't verify one of your own"
        found.append(
            Finding("push", Verdict.BAD, "push_services are not reached with this certificate", todo)
        )
    elif not config.push_services and not config.federation:
        todo = "set push_services for Conversations, Monal and others: see docs/push.md"
        found.append(Finding("push", Verdict.NOTE, "other clients' push services are not reached", todo))
    found += await _check_native(config)
    if public:
        found += await asyncio.gather(*(_reach(name, host, port) for name, host in services))
    return found


async def _check_native(config: Config) -> list[Finding]:
    """Whether FCM and APNs accept the keys in the settings, asked by pushes to nobody."""
    try:
        carriers = native_apps.carriers(config, Clock())
    except NativeError as error:
        return [Finding("push (native apps)", Verdict.BAD, str(error), "see docs/push.md, Native apps")]
    found = []
    for carrier in carriers:
        what = f"push ({carrier.name})"
        try:
            async with asyncio.timeout(_SECONDS):
                found.append(Finding(what, Verdict.GOOD, await carrier.check()))
        except NativeError as error:
            todo = "make a key anew, as docs/push.md says, and look at the ids and the clock"
            found.append(Finding(what, Verdict.BAD, str(error), todo))
        except (Later, TimeoutError) as error:
            todo = "let the server connect to the internet over HTTPS (port 443), without a proxy"
            found.append(Finding(what, Verdict.NOTE, str(error) or "no answer", todo))
        finally:
            await carrier.stop()
    return found


async def _reach(name: str, host: str, port: int) -> Finding:
    """Whether the push service of a browser is reached over TLS."""
    what = f"push ({name})"
    try:
        async with asyncio.timeout(_SECONDS):
            context = ssl.create_default_context()
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            writer.close()
    except (OSError, TimeoutError) as error:
        todo = "let the server connect to the internet over HTTPS (port 443), without a proxy"
        reason = str(error) or "no answer"
        return Finding(what, Verdict.NOTE, f"{host} is not reached: {reason}", todo)
    return Finding(what, Verdict.GOOD, f"{host} is reached")
