"""`kith trace`: what became of the messages of an account, without their content."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

from rich.table import Table

from kith.accounts.errors import Refused
from kith.admin.exclusions import Exclusions
from kith.admin.targets import peer_address
from kith.admin.trace import LiveTrace, TracedMessage, TraceResult, Traces
from kith.base.clock import Clock
from kith.base.ids import to_text
from kith.base.randomness import Randomness
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.running import live_trace, switch_tracing
from kith.commands.tables import show_table
from kith.commands.times import utc_time
from kith.commands.users import with_store
from kith.config import Config
from kith.core.sessions.tracing import TraceEvent
from kith.ports.store import AccountRecord, Store
from kith.records.devices import Devices
from kith.terminal import one_line, say

_STATES = {
    "delivered": "delivered: a device has acknowledged it",
    "handed": "sent to a device, which has not acknowledged it yet",
    "waiting": "stored; waits for a device",
    "outgoing": "stored; waits for the other server",
    "sent": "the other server has it",
    "gone": "delivered or deleted, and no longer in the log of the recipient",
    "bounced": "came back to its sender",
    "group": "in the archive of the group, from which devices read it",
}


class Asked(NamedTuple):
    """What to look for: ``peer`` and ``id`` may be empty."""

    who: str
    peer: str
    id: str
    limit: int


def show(config: Config, asked: Asked, as_json: bool) -> None:
    """Shows what became of messages."""
    running = True

    async def ask(accounts: Sequence[str], ids: Sequence[int]) -> LiveTrace:
        nonlocal running
        live = live_trace(config, accounts, ids)
        running = live is not None
        return live or LiveTrace()

    async def work(store: Store) -> tuple[AccountRecord, TraceResult]:
        record = await _account(config, store, asked.who)
        try:
            peer = peer_address(config.domain, asked.peer)
        except ValueError:
            raise Refused("bad-request", f"{asked.peer} is not an address") from None
        traces = Traces(store, Devices(store, Clock(), Randomness()))
        found = await traces.of(record, ask, peer, asked.id, asked.limit)
        await note(store, "trace", record.jid, f"with {peer}" if peer else "")
        return record, found

    try:
        record, found = with_store(config, work)
    except Refused as error:
        fail(str(error))
    if as_json:
        _print(found)
        return
    _show(record.jid, found)
    if not running:
        say("No server is running here, so only what is stored is known.", sys.stderr)


def switch(config: Config, who: str, hours: float) -> None:
    """Traces an account for some hours, or stops that (0)."""

    async def work(store: Store) -> str:
        bare = (await _account(config, store, who)).jid
        await note(store, "trace.start" if hours else "trace.stop", bare, f"{hours:g} hours" if hours else "")
        return bare

    try:
        bare = with_store(config, work)
    except Refused as error:
        fail(str(error))
    if not switch_tracing(config, bare, hours):
        fail("no server is running here, or it traces too many accounts already")
    if hours:
        say(f"{bare} is traced for {hours:g} hours. See later: kith trace {bare}")
    else:
        say(f"{bare} is not traced, and what was noted is forgotten.")


async def _account(config: Config, store: Store, who: str) -> AccountRecord:
    return await Exclusions(config, store, Clock(), Randomness()).account(who)


def _show(who: str, found: TraceResult) -> None:
    if not found.messages:
        say(f"No log has such a message of {who}.")
    for message in reversed(found.messages):
        way = f"from {message.peer}" if message.incoming else f"to {message.peer}"
        size = f", {message.size} bytes" if message.size else ""
        ids = ", ".join(filter(None, (message.message and f"id {message.message}", message.id)))
        say(one_line(f"{_local(message.at)}  {way}: {_kind(message)}{size} ({ids})"))
        say(f"    {_STATES[message.state]}")
        for device in message.devices:
            name = f"{device.name} ({device.device})" if device.device else f"session {device.resource}"
            say("    " + one_line(f"{device.state}: {name}"))
        if message.error:
            say("    " + one_line(message.error))
    if found.until:
        say(f"\n{who} is traced until {_local(found.until)}.")
        _show_events(found.events)


def _show_events(events: Sequence[TraceEvent]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("WHEN", "WHAT", "SESSION", "DEVICE", "MESSAGE", "PEER", "ERROR"):
        table.add_column(column, overflow="fold")
    for event in events:
        message = event.message or (to_text(event.id) if event.id else "")
        texts = (event.what, event.resource, event.device, message, event.peer, event.error)
        table.add_row(_local(event.at), *(one_line(text) for text in texts))
    show_table(table)


def _print(found: TraceResult) -> None:
    """One JSON object per line, the oldest first: messages, then events."""
    for message in reversed(found.messages):
        say(json.dumps({**asdict(message), "at": utc_time(message.at)}, ensure_ascii=False))
    for event in found.events:
        values = {name: getattr(event, name) for name in event.__struct_fields__}
        id = to_text(event.id) if event.id else ""
        say(json.dumps({**values, "at": utc_time(event.at), "id": id}, ensure_ascii=False))


def _kind(message: TracedMessage) -> str:
    return message.what if message.type in ("chat", "normal", "") else f"{message.what} ({message.type})"


def _local(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"
