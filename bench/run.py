"""What the README's figures come from: Kith beside Prosody and ejabberd, on this machine, in one run.

    make bench                      everything, about twenty minutes; the others if Debian has them
    python bench/run.py --only Kith --seconds 5

The server has one core, the load the other. Kith is measured as it ships: the archive on for both sides,
every commit synced to disk before a message is delivered. Writes its results, a table and a picture to
bench/out; with --publish the picture goes to where the README shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import platform
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import loads
import others
import uvloop
from lab import OMEMO, PLAIN, Server, kith, load_on_other_core
from picture import draw
from rich.console import Console
from rich.table import Table

OUT = Path(__file__).parent / "out"
ROOT = Path(__file__).parent.parent
Figures = dict[str, float]


ROWS = (
    ("message, plain 250 B: CPU", "plain.us", "{:.0f} µs"),
    ("message, OMEMO 1 kB: CPU", "omemo.us", "{:.0f} µs"),
    ("messages a second, OMEMO", "omemo.per_second", "{:,.0f}"),
    ("plain, stored for somebody away: CPU", "away.store_us", "{:.0f} µs"),
    ("… and delivered when they are back: CPU", "away.fetch_us", "{:.0f} µs"),
    ("OMEMO, stored for somebody away: CPU", "away_omemo.store_us", "{:.0f} µs"),
    ("… and delivered when they are back: CPU", "away_omemo.fetch_us", "{:.0f} µs"),
    ("login: CPU", "login.ms", "{:.2f} ms"),
    ("login with a token: CPU", "token.ms", "{:.2f} ms"),
    ("idle connection: memory", "idle.kb", "{:.0f} KB"),
    ("idle connection with TLS: memory", "idle_tls.kb", "{:.0f} KB"),
    ("latency at 1000/s, median", "latency.p50_ms", "{:.1f} ms"),
    ("latency at 1000/s, 99 %", "latency.p99_ms", "{:.1f} ms"),
    ("lost", "lost", "{:.0f}"),
)


#: Starts a server, with its data in a folder of that name.
Start = Callable[[str], contextlib.AbstractContextManager[Server]]


def servers(folder: Path, users: int) -> dict[str, Start]:
    """What there is to measure, by name."""
    found: dict[str, Start] = {"Kith": lambda data: kith(folder / f"kith-{data}", users)}
    for name, there, start in (
        ("Prosody", others.has_prosody(), others.prosody),
        ("ejabberd", others.has_ejabberd(), others.ejabberd),
    ):
        for archive in (True, False) if there else ():
            title = f"{name}, archive {'on' if archive else 'off'}"
            found[title] = partial(_start, start, folder / f"{name}-{archive}", users, archive)
        if not there:
            print(f"{name} is not installed: sudo apt-get install {name.lower()}")
    return found


def _start(
    start: Callable[..., contextlib.AbstractContextManager[Server]],
    folder: Path,
    users: int,
    archive: bool,
    data: str,
) -> contextlib.AbstractContextManager[Server]:
    return start(folder.with_name(f"{folder.name}-{data}"), users, archive=archive)


async def often(load: Callable[[], Awaitable[Figures]]) -> Figures:
    """The best of a load's figures: of five times, or as many as begin within forty seconds.

    What else a machine does can only make a figure worse. What was lost is counted in all of them.
    """
    found: list[Figures] = []
    begun = time.monotonic()
    while len(found) < 5 and (not found or time.monotonic() - begun < 40):
        found.append(await load())
        await asyncio.sleep(1)  # what a server does about those who have hung up
    figures: Figures = {}
    for key in {key for each in found for key in each}:
        values = [each[key] for each in found if key in each]
        figures[key] = {"lost": sum, "per_second": max}.get(key, min)(values)
    return figures


async def measure(server: Server, args: argparse.Namespace) -> dict[str, Figures]:
    """All loads on one server."""
    found: dict[str, Figures] = {}

    def keep(name: str, figures: Figures) -> None:
        found[name] = figures
        shown = {key: round(value, 2) for key, value in figures.items()}
        print(json.dumps({"server": server.name, "measured": name, **shown}), flush=True)

    keep("login", await often(lambda: loads.login(server, 300)))
    if server.name == "Kith":
        keep("token", await often(lambda: loads.token_login(server, 300)))
    keep("away", await often(lambda: loads.offline(server, PLAIN, 20, 200)))
    keep("away_omemo", await often(lambda: loads.offline(server, OMEMO, 20, 200)))
    keep("latency", await often(lambda: loads.latency(server, OMEMO, args.pairs, 1000, args.seconds)))
    keep("plain", await often(lambda: loads.throughput(server, PLAIN, args.pairs, 20, args.seconds)))
    keep("omemo", await often(lambda: loads.throughput(server, OMEMO, args.pairs, 20, args.seconds)))
    lost = sum(figures.get("lost", 0) for figures in found.values())
    return {**found, "": {"lost": lost}}


async def rest(server: Server, args: argparse.Namespace, tls: bool) -> Figures:
    """Memory of idle connections: of a server that has done nothing else."""
    figures = await loads.idle(server, args.idle, tls)
    print(json.dumps({"server": server.name, "measured": f"idle, tls={tls}", **figures}), flush=True)
    return figures


def cell(figures: dict[str, Figures], where: str, form: str) -> str:
    """One figure, or nothing."""
    name, _, key = where.rpartition(".")
    value = figures.get(name, {}).get(key)
    return "" if value is None else form.format(value)


def rows(results: dict[str, dict[str, Figures]]) -> Iterator[list[str]]:
    for title, where, form in ROWS:
        yield [title, *(cell(figures, where, form) for figures in results.values())]


def markdown(results: dict[str, dict[str, Figures]]) -> str:
    """The table for documents."""
    lines = [["", *results], ["---"] * (len(results) + 1), *rows(results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def show(results: dict[str, dict[str, Figures]]) -> None:
    table = Table("", *results)
    for line in rows(results):
        table.add_row(*line)
    Console().print(table)


def machine() -> str:
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release().partition('-')[0]}"


def _lines(path: str) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(path).read_text().splitlines()
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="for each measurement")
    parser.add_argument("--pairs", type=int, default=50, help="of people who write to each other")
    parser.add_argument("--idle", type=int, default=2000, help="idle connections")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="servers whose names begin so")
    parser.add_argument("--publish", action="store_true", help="write the README's picture")
    args = parser.parse_args()
    results: dict[str, dict[str, Figures]] = {}
    with tempfile.TemporaryDirectory() as folder, load_on_other_core():
        for name, start in servers(Path(folder), max(args.idle, 2 * args.pairs)).items():
            if args.only and not name.startswith(tuple(args.only)):
                continue
            with start("idle") as server:
                idle = uvloop.run(rest(server, args, tls=False))
            with start("tls") as server:
                idle_tls = uvloop.run(rest(server, args, tls=True))
            with start("work") as server:
                results[name] = uvloop.run(measure(server, args)) | {"idle": idle, "idle_tls": idle_tls}
    OUT.mkdir(exist_ok=True)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    about = {"date": today, "machine": machine()}
    (OUT / "run.json").write_text(json.dumps({**about, "results": results}, indent=1))
    show(results)
    picture = ROOT / "docs/images/speed.svg" if args.publish else OUT / "speed.svg"
    draw(results, f"{today}, {about['machine']}", picture)
    table = f"Measured on {today} by `make bench`, {about['machine']}.\n\n{markdown(results)}"
    (OUT / "table.md").write_text(table)


if __name__ == "__main__":
    main()
