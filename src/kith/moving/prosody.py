"""What Prosody stores and prosody-migrator does not write: block lists, and messages that wait.

Prosody writes tables of Lua into files, one for each account and kind (`util.datamanager`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from kith.moving import lua
from kith.moving.names import BLOCKLIST_TAG, OFFLINE_TAG
from kith.moving.reading import Event, HostOpened, Part, UserClosed, UserOpened
from kith.wire import ns

_BLOCKED = ns.tag(ns.BLOCKING, "item")


def with_stores(
    events: Iterable[Event], folder: Path, problem: Callable[[str, str], None]
) -> Iterator[Event]:
    """Adds what is in Prosody's data folder to each account. ``problem``: as of `Sources`."""
    host = user = ""
    for event in events:
        if isinstance(event, HostOpened):
            host = event.jid
        elif isinstance(event, UserOpened):
            user = event.name
        elif isinstance(event, UserClosed):
            for store, ending, read in (("blocklist", "dat", _blocked), ("offline", "list", _waiting)):
                file = folder / lua.encoded(host) / store / f"{lua.encoded(user)}.{ending}"
                try:
                    yield from read(lua.read(file))
                except FileNotFoundError:
                    continue
                except (OSError, ValueError) as error:
                    problem(str(file), str(error))
        yield event


def _blocked(tables: list[lua.Table]) -> Iterator[Part]:
    for table in tables:
        for jid in table:
            if isinstance(jid, str):
                yield Part(BLOCKLIST_TAG, "", _BLOCKED, Element(_BLOCKED, {"jid": jid}), len(jid))


def _waiting(tables: list[lua.Table]) -> Iterator[Part]:
    for table in tables:
        message = lua.element(table, ns.CLIENT)
        stamp = message.attrib.pop("stamp", "")
        message.attrib.pop("stamp_legacy", None)
        if stamp:
            message.append(Element(ns.tag(ns.DELAY, "delay"), {"stamp": stamp}))
        yield Part(OFFLINE_TAG, "", message.tag, message, 1000)
