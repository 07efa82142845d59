"""How long a page of the archive takes as the archive grows (XEP-0313), over a real stream.

    python bench/archive.py [--messages N ...] [--peers N]

One account has talked with many. The time is from the query's first byte to the last of the answer; the
median of several, with the server's CPU. Pages have 50 messages unless said otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import uvloop
from lab import OMEMO, Peer, add_users, environment, serving

from kith.base.ids import stamp, to_text, when
from kith.ports.store import INCOMING, Append
from kith.store.sqlite import SQLiteStore

_BATCH = 2000
_FIELD = "<field var='{}'><value>{}</value></field>"
_REPEATS = 15


async def fill(folder: Path, messages: int, peers: int) -> list[int]:
    """An archive of so many messages over a year, delivered. Returns their ids."""
    store = SQLiteStore(folder / "kith.sqlite")
    await store.open()
    account = await store.account("u0@localhost")
    assert account is not None
    began = int((time.time() - 365 * 86400) * 1000)
    ids = [(began + number * 365 * 86400_000 // messages) << 20 for number in range(messages)]
    for start in range(0, messages, _BATCH):
        for number in range(start, min(start + _BATCH, messages)):
            peer = f"p{number % peers}@localhost"
            data = f"<message from='{peer}/r' to='u0@localhost' type='chat'>{OMEMO}</message>".encode()
            store.append(Append(ids[number], data, [(account.id, peer, INCOMING)], lambda *_: None))
        await store.flush()
    store.mark_delivered(account.id, ids[-1])
    await store.close()
    return ids


def questions(ids: list[int], peers: int) -> dict[str, tuple[str, str]]:
    """What is asked: form fields and the page's bounds, by name."""
    middle = ids[len(ids) // 2]
    after = f"<after>{to_text(middle)}</after>"
    day = stamp(when(middle))
    return {
        "newest page": ("", "<max>50</max><before/>"),
        "oldest page": ("", "<max>50</max>"),
        "after the middle": ("", f"<max>50</max>{after}"),
        "from a date": (_FIELD.format("start", day), "<max>50</max>"),
        "newest with one peer": (_FIELD.format("with", f"p{peers // 2}@localhost"), "<max>50</max><before/>"),
        "with a stranger": (_FIELD.format("with", "nobody@localhost"), "<max>50</max><before/>"),
        "one by its id": (_FIELD.format("ids", to_text(middle)), ""),
        "500 newest": ("", "<max>500</max><before/>"),
        "how many": ("", "<max>0</max>"),
    }


async def measure(port: int, process: psutil.Process, messages: int, ids: list[int], peers: int) -> None:
    client = await Peer("u0").login(port)
    for name, (fields, bounds) in questions(ids, peers).items():
        kind = _FIELD.format("FORM_TYPE", "urn:xmpp:mam:2")
        page = f"<set xmlns='http://jabber.org/protocol/rsm'>{bounds}</set>"
        took: list[float] = []
        used = sum(process.cpu_times()[:2])
        for number in range(_REPEATS):
            began = time.perf_counter()
            client.write(
                f"<iq type='set' id='Q{number}'><query xmlns='urn:xmpp:mam:2'>"
                f"<x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x>{page}</query></iq>"
            )
            answer = await client.until(f" id='Q{number}'".encode())
            took.append((time.perf_counter() - began) * 1000)
        used = sum(process.cpu_times()[:2]) - used
        found = answer.count(b"<result ")
        figures = {
            "found": found,
            "ms": round(statistics.median(took), 2),
            "cpu_ms": round(used / _REPEATS * 1000, 1),
        }
        print(json.dumps({"messages": messages, "query": name, **figures}), flush=True)
    client.transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--peers", type=int, default=200)
    args = parser.parse_args()
    for messages in args.messages:
        with tempfile.TemporaryDirectory() as folder:
            environ = environment(Path(folder))
            add_users(environ, 1)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                began = time.perf_counter()
                ids = runner.run(fill(Path(folder), messages, args.peers))
                size = (Path(folder) / "kith.sqlite").stat().st_size
                seconds = round(time.perf_counter() - began, 1)
                print(json.dumps({"messages": messages, "seconds_to_fill": seconds, "mb": size // 1_000_000}))
                with serving(environ) as process:
                    port = int(environ["KITH_XMPP_PORT"])
                    runner.run(measure(port, process, messages, ids, args.peers))


if __name__ == "__main__":
    main()
