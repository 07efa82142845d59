"""`kith user list`: the accounts, with what operators want to know of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table

from kith.admin.live import LiveSession, LiveSessions
from kith.admin.people import Facts, People
from kith.base.clock import Clock
from kith.commands.running import live_sessions
from kith.commands.sizes import size
from kith.commands.tables import show_table
from kith.commands.times import local_time, utc_time
from kith.commands.users import with_store
from kith.config import Config
from kith.ports.store import Store, Usage
from kith.records.bans import BanList, BanRecords
from kith.terminal import one_line, say

_DAY = 86400.0
_NO_USAGE = Usage(0, 0, 0, 0, 0, 0)


class Chosen(NamedTuple):
    """What to list, and how.

    ``query``: a part of the address or the name. ``state``: active, suspended, banned, online or empty.
    ``inactive``: only accounts that were not online for so many days. ``storage``: whether to add up what
    accounts take up, which reads all logs. ``form``: short (addresses), table or json.
    """

    query: str
    state: str
    inactive: float
    storage: bool
    form: str


class Row(NamedTuple):
    """An account with what is listed of it."""

    facts: Facts
    usage: Usage
    sessions: Sequence[LiveSession]

    @property
    def addresses(self) -> list[str]:
        """The network addresses that it is connected from now, then earlier ones, the last one first."""
        now = [session.address for session in self.sessions if session.connected and session.address]
        return list(dict.fromkeys((*now, *(one.address for one in self.facts.addresses))))


def show(config: Config, chosen: Chosen) -> None:
    """Lists accounts."""
    live = live_sessions(config)
    rows = with_store(config, lambda store: _rows(config, store, live or LiveSessions(), chosen))
    if chosen.form == "short":
        for row in rows:
            say(row.facts.jid)
    elif chosen.form == "json":
        for row in rows:
            say(json.dumps(_plain(row, live is not None), ensure_ascii=False))
    else:
        _show(rows, chosen.storage)
        if live is None:
            say("No server is running here, so nobody is shown as online.", sys.stderr)


async def _rows(config: Config, store: Store, live: LiveSessions, chosen: Chosen) -> list[Row]:
    bans = BanList(await BanRecords(store).in_force(Clock().now()))
    people = People(config, store, live)
    names = chosen.form != "short" or bool(chosen.query)
    found = [one for one in await people.all(bans, names=names) if _is_chosen(one, chosen)]
    return [
        Row(one, await store.usage(one.id) if chosen.storage else _NO_USAGE, live.of_account(one.jid))
        for one in found
    ]


def _is_chosen(one: Facts, chosen: Chosen) -> bool:
    if chosen.inactive and (one.online or Clock().now() - one.last_seen < chosen.inactive * _DAY):
        return False
    return one.fits(chosen.query, chosen.state)


def _show(rows: Sequence[Row], storage: bool) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("ADDRESS", "NAME", "STATE", "LAST SEEN", "DEVICES"):
        table.add_column(column, overflow="fold")
    if storage:
        for column in ("MESSAGES", "STORAGE"):
            table.add_column(column, justify="right")
    table.add_column("FROM", overflow="fold")
    for row in rows:
        facts, usage = row.facts, row.usage
        cells = [facts.jid, one_line(facts.name, 30), facts.state, _last(facts), str(len(facts.devices))]
        if storage:
            cells += [str(usage.messages), size(usage.message_bytes + usage.document_bytes)]
        table.add_row(*cells, ", ".join(row.addresses[:3]))
    show_table(table)


def _plain(row: Row, running: bool) -> dict[str, object]:
    """The same for programs. ``online`` is null if no server is running."""
    facts, usage = row.facts, row.usage
    return {
        "address": facts.jid,
        "name": facts.name,
        "state": facts.state,
        "online": facts.online if running else None,
        "last_seen": utc_time(facts.last_seen),
        "devices": [
            {
                "id": device.id,
                "name": device.title,
                "last_seen": utc_time(device.used),
            }
            for device in facts.devices
        ],
        "operator": facts.operator,
        "messages": usage.messages,
        "bytes": usage.message_bytes + usage.document_bytes,
        "undelivered": usage.undelivered,
        "addresses": row.addresses,
    }


def _last(facts: Facts) -> str:
    return "online" if facts.online else local_time(facts.last_seen) or "never"
