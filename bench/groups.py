"""What a message to a group costs, beside Prosody and ejabberd, in one run.

    python bench/groups.py                          everything, about five minutes
    python bench/groups.py --only Kith --quick      Kith alone, for a look

The server has one core, the load the other. Archives are on: those of the rooms, and for Kith those of all
members, whose logs are read afterwards. ``members`` are in the group without having entered it, ``occupants``
have entered a room; the other servers have only these.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import others
import uvloop
from lab import OMEMO, PLAIN, Peer, Server, kith, log_in
from loads import LATE, _Count, _hang_up
from rich.console import Console
from rich.table import Table

_MUC = "http://jabber.org/protocol/muc"
_SUBMIT = f"<query xmlns='{_MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
Figures = dict[str, float]


def _service(server: Server) -> str:
    return "groups.localhost" if server.name == "Kith" else "conference.localhost"


async def _make(server: Server, owner: Peer, name: str) -> str:
    """A group of which ``owner`` is the owner, and an occupant."""
    group = f"{name}@{_service(server)}"
    await owner.say(f"<presence to='{group}/u0'><x xmlns='{_MUC}'/></presence>", b"<subject")
    await owner.say(f"<iq type='set' id='made' to='{group}'>{_SUBMIT}</iq>", b"made")
    return group


async def _add(owner: Peer, group: str, numbers: range) -> None:
    """Makes people members, in one request."""
    items = "".join(f"<item jid='u{number}@localhost' affiliation='member'/>" for number in numbers)
    query = f"<query xmlns='{_MUC}#admin'>{items}</query>"
    await owner.say(f"<iq type='set' id='added' to='{group}'>{query}</iq>", b"id='added'")


async def members(server: Server, payload: str, people: int, count: int) -> Figures:
    """All are members and online, and get messages without having entered."""
    peers, group = await _receiving(server, people)
    return await _spread(server, peers, group, payload, count)


async def occupants(server: Server, payload: str, people: int, count: int) -> Figures:
    """All have entered a room."""
    peers = await log_in(server.port, range(people))
    group = await _make(server, peers[0], "occupants")
    if server.name == "Kith":
        await _add(peers[0], group, range(1, people))
    for number, peer in enumerate(peers[1:], 1):
        join = f"<x xmlns='{_MUC}'><history maxstanzas='0'/></x>"
        await peer.say(f"<presence to='{group}/u{number}'>{join}</presence>", b"<subject")
    await asyncio.sleep(2)
    return await _spread(server, peers, group, payload, count)


async def _spread(server: Server, peers: list[Peer], group: str, payload: str, count: int) -> Figures:
    """One writes, with five messages under way; CPU for each delivery, and how long the last one takes."""
    got = 0
    news = asyncio.Event()

    def hit(found: int) -> None:
        nonlocal got
        got += found
        news.set()

    async def until(wanted: int) -> None:
        while got < wanted:
            news.clear()
            await news.wait()

    for peer in peers:
        _Count(peer).hit = hit  # type: ignore[method-assign]
    people = len(peers)
    cpu, start = server.cpu(), time.perf_counter()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LATE):
            for number in range(count):
                peers[0].write(
                    f"<message type='groupchat' to='{group}' id='m{number}'>{payload}"
                    f"<origin-id xmlns='urn:xmpp:sid:0' id='{number:032x}'/></message>"
                )
                await until((number - 4) * people)
            await until(count * people)
    took, cpu = time.perf_counter() - start, server.cpu() - cpu
    _hang_up(peers)
    return {
        "us": cpu / max(got, 1) * 1e6,
        "per_second": got / took,
        "lost": count * people - got,
    }


async def one_by_one(server: Server, payload: str, people: int, count: int) -> Figures:
    """All are members and online: how long it takes until the last has a message, one after the other."""
    peers, group = await _receiving(server, people)
    got = 0
    news = asyncio.Event()

    def hit(found: int) -> None:
        nonlocal got
        got += found
        news.set()

    for peer in peers:
        _Count(peer).hit = hit  # type: ignore[method-assign]
    times: list[float] = []
    cpu = server.cpu()
    for number in range(count):
        start, wanted = time.perf_counter(), got + people
        peers[0].write(f"<message type='groupchat' to='{group}' id='m{number}'>{payload}</message>")
        async with asyncio.timeout(LATE):
            while got < wanted:
                news.clear()
                await news.wait()
        times.append(time.perf_counter() - start)
    cpu = server.cpu() - cpu
    _hang_up(peers)
    return {"us": cpu / count / people * 1e6, **_quantiles(times), "lost": 0}


async def sync(server: Server, people: int, count: int) -> Figures:
    """A device reads the whole state of a group, what has changed since, and the last 50 messages."""
    (owner,) = await log_in(server.port, range(1))
    group = await _make(server, owner, "sync")
    await _add(owner, group, range(1, people))
    for number in range(200):
        owner.write(f"<message type='groupchat' to='{group}' id='m{number}'>{PLAIN}</message>")
    await owner.fence()
    (peer,) = await log_in(server.port, [1], presence=False)
    state = f"<iq type='get' id='state' to='{group}'><group xmlns='urn:kith:groups:0' since='{{}}'/></iq>"
    field = "<field var='{}'><value>{}</value></field>"
    form = field.format("FORM_TYPE", "urn:xmpp:mam:2") + field.format("include-groupchat", "true")
    page = (
        "<iq type='set' id='page'><query xmlns='urn:xmpp:mam:2'>"
        f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"
        "<set xmlns='http://jabber.org/protocol/rsm'><max>50</max><before/></set></query></iq>"
    )
    whole, since, read = [], [], []
    sizes = [0, 0]
    for _ in range(count):
        for times, text, size in (
            (whole, state.format(0), 0),
            (since, state.format(2), 1),
            (read, page, None),
        ):
            start = time.perf_counter()
            answer = await peer.say(text, b"</iq>")
            times.append(time.perf_counter() - start)
            if size is not None:
                sizes[size] = len(answer)
    _hang_up([owner, peer])
    return {
        "ms": _quantiles(whole)["p50_ms"],
        "since_ms": _quantiles(since)["p50_ms"],
        "page_ms": _quantiles(read)["p50_ms"],
        "bytes": sizes[0],
        "since_bytes": sizes[1],
        "lost": 0,
    }


def _quantiles(times: list[float]) -> Figures:
    ordered = sorted(times)
    return {"p50_ms": ordered[len(ordered) // 2] * 1e3, "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3}


async def _receiving(server: Server, people: int) -> tuple[list[Peer], str]:
    """People who are online, members of a group, and get its messages without having entered it."""
    peers = await log_in(server.port, range(people))
    for peer in peers:
        await peer.say("<iq type='set' id='on'><groupchat xmlns='urn:kith:groups:0'/></iq>", b"id='on'")
    group = await _make(server, peers[0], "members")
    await _add(peers[0], group, range(1, people))
    peers[0].write(f"<presence to='{group}/u0' type='unavailable'/>")
    await asyncio.sleep(1)
    return peers, group


async def away(server: Server, payload: str, people: int, count: int) -> Figures:
    """All members are away: until a message is acknowledged, and so in all logs; one after the other."""
    (owner,) = await log_in(server.port, range(1))
    await owner.say("<enable xmlns='urn:xmpp:sm:3'/>", b"<enabled")
    group = await _make(server, owner, "away")
    await _add(owner, group, range(1, people))
    await owner.say(f"<presence to='{group}/u0' type='unavailable'/>", b"unavailable")
    await owner.say("<r xmlns='urn:xmpp:sm:3'/>", b"<a ")
    times: list[float] = []
    cpu = server.cpu()
    for number in range(count):
        start = time.perf_counter()
        await owner.say(
            f"<message type='groupchat' to='{group}' id='m{number}'>{payload}</message>"
            "<r xmlns='urn:xmpp:sm:3'/>",
            b"<a ",
        )
        times.append(time.perf_counter() - start)
    cpu = server.cpu() - cpu
    lost = await _in_logs(server, people, group, count)
    _hang_up([owner])
    return {"ms": cpu / count * 1e3, **_quantiles(times), "lost": lost}


async def _in_logs(server: Server, people: int, group: str, count: int) -> int:
    """How many messages some members do not have in their logs; a few of them are asked."""
    lost = 0
    for number in {1, people // 2, people - 1}:
        (peer,) = await log_in(server.port, [number], presence=False)
        field = "<field var='{}'><value>{}</value></field>"
        form = field.format("FORM_TYPE", "urn:xmpp:mam:2") + field.format("include-groupchat", "true")
        form += field.format("with", group)
        answer = await peer.say(
            "<iq type='set' id='log'><query xmlns='urn:xmpp:mam:2'>"
            f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"
            "<set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set></query></iq>",
            b"</iq>",
        )
        kept = int(answer.partition(b"<count>")[2].partition(b"<")[0])
        lost += max(0, count - kept)
        _hang_up([peer])
    return lost


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=["Kith", "Prosody", "ejabberd"])
    parser.add_argument("--what", default="", help="only the lines with this text")
    parser.add_argument("--quick", action="store_true", help="fewer people and messages")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    uvloop.install()
    few, many = (50, 200) if arguments.quick else (50, 1000)
    messages = 100 if arguments.quick else 400
    starts: dict[str, Callable[[Path], contextlib.AbstractContextManager[Server]]] = {
        "Kith": partial(kith, users=many, group_messages_per_second="0"),
        "Prosody": partial(others.prosody, users=few, archive=True),
        "ejabberd": partial(others.ejabberd, users=few, archive=True),
    }
    results: dict[str, dict[str, Figures]] = {}
    for name in arguments.only:
        results[name] = {}
        for what, load in (
            ("occupants", partial(occupants, payload=PLAIN, people=few, count=messages)),
            ("occupants, OMEMO", partial(occupants, payload=OMEMO, people=few, count=messages)),
            ("members", partial(members, payload=PLAIN, people=few, count=messages)),
            ("members, OMEMO", partial(members, payload=OMEMO, people=few, count=messages)),
            ("all members online", partial(members, payload=PLAIN, people=many, count=messages // 10)),
            (
                "one to all members online",
                partial(one_by_one, payload=PLAIN, people=many, count=messages // 4),
            ),
            ("sync of a group", partial(sync, people=many, count=messages // 4)),
            ("all members away", partial(away, payload=PLAIN, people=many, count=messages // 2)),
            ("all members away, OMEMO", partial(away, payload=OMEMO, people=many, count=messages // 2)),
        ):
            if (name != "Kith" and not what.startswith("occupants")) or arguments.what not in what:
                continue
            with tempfile.TemporaryDirectory() as folder, starts[name](Path(folder) / "data") as server:
                figures = asyncio.run(load(server))
            results[name][what] = figures
            assert not figures["lost"], figures
            print(name, what, {key: round(value, 2) for key, value in figures.items()}, flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    _show(results)


def _show(results: dict[str, dict[str, Figures]]) -> None:
    table = Table("", *results)
    for what in dict.fromkeys(what for found in results.values() for what in found):
        cells = [found.get(what, {}) for found in results.values()]
        each = any("us" in cell for cell in cells)
        unit = "µs for each delivery" if each else "ms for each message"
        shown = [f"{cell['us' if each else 'ms']:.1f}" if cell else "" for cell in cells]
        table.add_row(f"{what}: CPU, {unit}", *shown)
    Console().print(table)


if __name__ == "__main__":
    main()
