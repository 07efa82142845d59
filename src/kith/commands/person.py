"""`kith user show`: everything that operators want to know of one account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kith.accounts.errors import Refused
from kith.admin.exclusions import Exclusions
from kith.admin.live import LiveSession, LiveSessions
from kith.admin.people import Facts, People
from kith.admin.ties import Ties
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.commands.fail import fail
from kith.commands.running import live_sessions
from kith.commands.sizes import size
from kith.commands.times import local_time
from kith.commands.users import with_store
from kith.config import Config
from kith.ports.store import Store, Usage
from kith.records.bans import BanList, BanRecords
from kith.terminal import one_line, say


class _Person(NamedTuple):
    facts: Facts
    usage: Usage
    ties: Ties


def show(config: Config, who: str) -> None:
    """Shows one account."""
    live = live_sessions(config)

    async def read(store: Store) -> _Person:
        record = await Exclusions(config, store, Clock(), Randomness()).account(who)
        bans = BanList(await BanRecords(store).in_force(Clock().now()))
        facts = await People(config, store, live or LiveSessions()).one(record.jid, bans)
        if facts is None:
            raise Refused("not-found", f"there is no account {record.jid}")
        return _Person(facts, await store.usage(record.id), await Ties.of(store, record))

    try:
        person = with_store(config, read)
    except Refused as error:
        fail(str(error).rstrip("."))
    sessions = live.of_account(person.facts.jid) if live is not None else ()
    for name, text in _lines(person, running=live is not None):
        say(f"{name:12}{one_line(text)}")
    for device in sorted(person.facts.devices, key=lambda device: -device.used):
        app = " (app password)" if device.credential else ""
        say(f"{'device':12}{device.id}  {local_time(device.used)}  {one_line(device.title)}{app}")
    for session in sessions:
        say(f"{'session':12}{one_line(_session(session))}")


def _lines(person: _Person, running: bool) -> Iterator[tuple[str, str]]:
    facts, usage, ties = person
    yield "address", facts.jid + (" (operator)" if facts.operator else "")
    if facts.name:
        yield "name", facts.name
    yield "state", facts.state
    for ban in facts.bans:
        until = f" until {local_time(ban.until)}" if ban.until else ""
        since = f"since {local_time(ban.made)}{until}, by {ban.by}"
        yield "", f"{ban.kind} {ban.value} {since}; {ban.note}".rstrip("; ")
    if facts.online:
        yield "last seen", "online"
    else:
        last = local_time(facts.last_seen) or "never"
        yield "last seen", last if running else f"{last} (no server is running)"
    yield "password", "of its own" if facts.password else "none (logs in by phone number)"
    waiting = f", {usage.undelivered} of them wait for a device" if usage.undelivered else ""
    outgoing = f", {usage.outgoing} for another server" if usage.outgoing else ""
    total = size(usage.message_bytes + usage.document_bytes)
    yield "storage", f"{total}: {usage.messages} messages{waiting}{outgoing}"
    yield "contacts", str(ties.contacts)
    if ties.reports:
        yield "reported", f"by {ties.reports}; see: kith reports"
    if ties.former:
        yield "before", ", ".join(ties.former)
    for seen in facts.addresses:
        yield "from", f"{seen.address}, {local_time(seen.first)} to {local_time(seen.last)}"


def _session(session: LiveSession) -> str:
    state = "connected from" if session.connected else "waits to be resumed, was at"
    device = f", device {session.device}" if session.device else ""
    return f"{session.resource}, {state} {session.address or 'an unknown address'}{device}"
