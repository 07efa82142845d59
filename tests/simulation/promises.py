"""The promises of docs/architecture.md, checked when everything has come to rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from kith.base.ids import to_text
from kith.core.actors import roster
from kith.features import blocking
from kith.ports.store import LogQuery
from tests.simulation.node import DOMAIN
from tests.simulation.people import NODE, Change, Device, Written
from tests.simulation.schedule import ACCOUNTS

if TYPE_CHECKING:
    from tests.simulation.world import World

_MOOD = re.compile(rb">([0-9]+)</mood>")
_BODY = re.compile(rb"<body>([^<]*)</body>")
#: Texts by id, in the order of ids.
Archive = dict[str, str]


def check(world: World) -> None:
    """Adds what is broken to the world's list."""
    devices = list(world.devices.values())
    presence_settles(world)
    archives = {account: _archive(world, account) for account in ACCOUNTS}
    for account, archive in archives.items():
        _acknowledged_is_durable(world, account, archive)
        _once(world, f"{account}'s archive", archive.items())
        _has_what_the_archive_has(world, account, archive)
    for device in devices:
        _once(world, device.name, device.notebook.seen)
        _in_order(world, device.name, [text for _, text in device.notebook.seen], archive=False)
    for account, archive in archives.items():
        _in_order(world, f"{account}'s archive", archive.values(), archive=True)
    _nothing_from_who_is_blocked(world, archives)
    _nothing_else_passes_a_block(world)
    _same_truth(world)
    _changes_last(world)


def _archive(world: World, account: str) -> Archive:
    disk = world.disk
    page = disk.page(LogQuery(disk.accounts[f"{account}@{DOMAIN}"].id, limit=100_000))
    found = {}
    for entry in page.entries:
        if match := _BODY.search(entry.stanza):
            found[to_text(entry.id)] = match[1].decode()
    return found


def _written(world: World) -> Iterable[tuple[Device, Written]]:
    return ((device, written) for device in world.devices.values() for written in device.written)


def _author(world: World, text: str) -> tuple[Device, Written]:
    name, _, number = text.rpartition(" ")
    device = world.devices[name]
    return device, device.written[int(number)]


# -- messages ---------------------------------------------------------------------------------------------


def _acknowledged_is_durable(world: World, account: str, archive: Archive) -> None:
    """Promise 1: in the archives of both, unless its sender was told that it was refused after all."""
    there = set(archive.values())
    for device, written in _written(world):
        if account not in (device.account, written.to) or written.text in there:
            continue
        if written.acknowledged and not written.bounced:
            world.complain(f"acknowledged, and not in {account}'s archive: {written.text}")


def _once(world: World, where: str, entries: Iterable[tuple[str, str]]) -> None:
    """Promise 2: one message for each that was written.

    Not of one that was refused in the end: its first copy was taken back, so a retry is a new message.
    """
    for text, count in Counter(text for _, text in dict.fromkeys(entries)).items():
        if count > 1 and not _author(world, text)[1].bounced:
            world.complain(f"{count} times in {where}: {text}")


def _has_what_the_archive_has(world: World, account: str, archive: Archive) -> None:
    """Promises 2 and 3: what devices know is what the archive has.

    Each device that reads the archive has all, but for what it has written itself. Of those that do not, one
    at least got what others have written.
    """
    devices = [device for device in world.devices.values() if device.account == account]
    for device in devices:
        for id, text in device.notebook.seen:
            if archive.get(id) != text and not _author(world, text)[1].bounced:
                world.complain(f"{device.name} got {text} as {id}, and the archive has {archive.get(id)}")
    seen = {device: {text for _, text in device.notebook.seen} for device in devices}
    for text in archive.values():
        author, _ = _author(world, text)
        lacking = [device for device in devices if author is not device and text not in seen[device]]
        for device in lacking:
            if device.reads:
                world.complain(f"in the archive, and not on {device.name}: {text}")
        if author.account != account and len(lacking) == len(devices):
            world.complain(f"in the archive, and on no device of {account}: {text}")


def _in_order(world: World, where: str, texts: Iterable[str], *, archive: bool) -> None:
    """Promise 2: those of one sender in the order in which they were written.

    What was refused for now comes later, since its sender has gone on. On a device, what was meant for
    another one comes when that is gone.
    """
    last: dict[tuple[str, str], int] = {}
    for text in dict.fromkeys(texts):
        author, written = _author(world, text)
        if written.refused or text.encode() in world.disk.refused:
            continue
        number = int(text.rpartition(" ")[2])
        key = author.name, "" if archive else written.address
        if number < last.get(key, -1):
            world.complain(f"out of order in {where}: {text} after {last[key]}")
        last[key] = number


# -- blocking ---------------------------------------------------------------------------------------------


def _changes(world: World, account: str) -> list[Change]:
    found: list[Change] = []
    for device in world.devices.values():
        if device.account == account:
            found += [*device.done, *device.changes]
    return found


def _certain(change: Change) -> bool:
    """Whether it took place once, between ``begun`` and ``ended``."""
    return change.times == 1 and change.ended is not None and not change.failed


def _blocked_times(world: World, account: str, other: str) -> Iterable[tuple[float, float]]:
    """When somebody was blocked for certain."""
    changes = [change for change in _changes(world, account) if change.what == ("blocked", other)]
    changes = [change for change in changes if change.begun]
    for change in changes:
        if change.value != "True" or not _certain(change):
            continue
        assert change.ended is not None
        undone = [c for c in changes if c.value == "False" and c.begun]
        if any(not _certain(c) or (c.ended or 0) > change.begun > c.begun for c in undone):
            continue
        yield change.ended, min((c.begun for c in undone if c.begun > change.begun), default=1e9)


def _nothing_from_who_is_blocked(world: World, archives: dict[str, Archive]) -> None:
    """What somebody writes while blocked does not arrive."""
    for account, archive in archives.items():
        for other in ACCOUNTS:
            for begin, end in _blocked_times(world, account, other):
                for text in archive.values():
                    author, written = _author(world, text)
                    if author.account != other or written.to != account:
                        continue
                    if written.first_sent > begin and written.last_sent < end:
                        world.complain(f"{account} had blocked {other}, and got {text}")


#: What is shown again when somebody is not blocked any more, though it is older.
_SHOWN_AGAIN = frozenset(("show", "mood"))


def _nothing_else_passes_a_block(world: World) -> None:
    """Presence, events, typing, receipts, questions and answers pass in neither direction."""
    blocked = {
        (one, other): list(_blocked_times(world, one, other))
        for one in ACCOUNTS
        for other in ACCOUNTS
        if one != other
    }
    for viewer, said, at, what in world.notices:
        for blocker, other in ((viewer, said.account), (said.account, viewer)):
            for begin, end in blocked.get((blocker, other), ()):
                passed = said.first > begin and said.last < end
                if passed and (at < end or said.kind not in _SHOWN_AGAIN):
                    world.complain(f"{blocker} had blocked {other}, and {viewer} got {what}")


def _ever_blocked(world: World, one: str, other: str) -> bool:
    return any(
        change.what == ("blocked", whom)
        for who, whom in ((one, other), (other, one))
        for change in _changes(world, who)
    )


# -- what devices show ------------------------------------------------------------------------------------


def presence_settles(world: World) -> None:
    """Everybody sees who is there, and how."""
    awake = [device for device in world.devices.values() if device.online]
    for viewer in awake:
        there = {}
        for device in awake:
            if not _ever_blocked(world, viewer.account, device.account):
                there[device.jid] = device.status
        shown = {
            jid: status
            for jid, status in viewer.view.presence.items()
            if not _ever_blocked(world, viewer.account, jid.partition("@")[0])
        }
        if shown != there:
            extra = {jid: status for jid, status in shown.items() if there.get(jid) != status}
            missing = {jid: status for jid, status in there.items() if shown.get(jid) != status}
            world.complain(f"{viewer.name} sees {extra}, and there is {missing}")


def _same_truth(world: World) -> None:
    """All devices of an account show the same, and it is what lasts."""
    for device in world.devices.values():
        for account in ACCOUNTS:
            if device.account != account:
                lasting = _final(world, device.account, ("roster", account))
                shown = device.view.roster.get(f"{account}@{DOMAIN}")
                if shown != lasting:
                    world.complain(f"{device.name} shows {account} as {shown}, and {lasting} lasts")
            lasting, shown = _final(world, account, ("mood",)), device.view.moods.get(account, "")
            if shown != lasting and not _ever_blocked(world, device.account, account):
                world.complain(f"{device.name} shows that {account} is {shown}, and {lasting} lasts")


def _changes_last(world: World) -> None:
    """The answer to a change comes after it is durable, and the last one stays."""
    for account in ACCOUNTS:
        by_what: dict[tuple[str, ...], list[Change]] = {}
        for change in _changes(world, account):
            by_what.setdefault(change.what, []).append(change)
        for what, changes in by_what.items():
            final = _final(world, account, what)
            begun = [change for change in changes if change.begun and not change.failed]
            possible = {change.value for change in begun if not _is_past(change, begun)}
            if begun and all(change.ended is None for change in begun):
                continue
            if begun and final not in possible:
                world.complain(
                    f"{account}'s {' '.join(what)} is {final}, not {' or '.join(sorted(possible))}"
                )


def _is_past(change: Change, others: list[Change]) -> bool:
    """Whether another has surely replaced it."""
    if not _certain(change):
        return False
    return any(
        other.ended is not None and other.begun > (change.ended or 0)
        for other in others
        if other is not change
    )


def _final(world: World, account: str, what: tuple[str, ...]) -> str:
    """What the disk has."""
    disk = world.disk
    id = disk.accounts[f"{account}@{DOMAIN}"].id
    if what[0] == "roster":
        document = disk.document(id, roster.SPACE, f"{what[1]}@{DOMAIN}")
        return msgspec.msgpack.decode(document.value, type=roster.Item).name if document is not None else ""
    if what[0] == "mood":
        document = disk.document(id, f"pep:{NODE}", "current")
        mood = _MOOD.search(document.value) if document is not None else None
        return mood[1].decode() if mood is not None else ""
    return str(disk.document(id, blocking.SPACE, f"{what[1]}@{DOMAIN}") is not None)
