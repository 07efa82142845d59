"""What Prosody stores and prosody-migrator does not write: block lists, and messages that wait.

Prosody writes tables of Lua into files, one for each account and kind (`util.datamanager`). They are read as
data, never run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from kith.moving.names import BLOCKLIST_TAG, OFFLINE_TAG
from kith.moving.reading import Event, HostOpened, Part, UserClosed, UserOpened
from kith.wire import ns

#: Larger files are left out.
_MAX_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 60
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\[\s\S])*"|-?[0-9][0-9.eE+-]*|[A-Za-z_]+|[{}\[\]()=;,]|\s+|(?P<wrong>[\s\S])'
)
_ESCAPE = re.compile(rb"\\([0-9]{1,3}|[\s\S])")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_BLOCKED = ns.tag(ns.BLOCKING, "item")
#: A text, number, boolean, or table: by key, and by number from 1 on.
_Value = object


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
                file = folder / _encoded(host) / store / f"{_encoded(user)}.{ending}"
                try:
                    if file.stat().st_size > _MAX_BYTES:
                        raise ValueError(f"it has more than {_MAX_BYTES} bytes")
                    yield from read(list(_tables(file.read_text())))
                except FileNotFoundError:
                    continue
                except (OSError, ValueError) as error:
                    problem(str(file), str(error))
        yield event


def _encoded(name: str) -> str:
    """A name as Prosody writes it into paths."""
    return re.sub(rb"[^A-Za-z0-9]", lambda found: b"%%%02x" % found[0][0], name.encode()).decode()


def _blocked(tables: list[dict[object, _Value]]) -> Iterator[Part]:
    for table in tables:
        for jid in table:
            if isinstance(jid, str):
                yield Part(BLOCKLIST_TAG, "", _BLOCKED, Element(_BLOCKED, {"jid": jid}), len(jid))


def _waiting(tables: list[dict[object, _Value]]) -> Iterator[Part]:
    for table in tables:
        message = _element(table, ns.CLIENT)
        stamp = message.attrib.pop("stamp", "")
        message.attrib.pop("stamp_legacy", None)
        if stamp:
            message.append(Element(ns.tag(ns.DELAY, "delay"), {"stamp": stamp}))
        yield Part(OFFLINE_TAG, "", message.tag, message, 1000)


def _element(table: dict[object, _Value], namespace: str) -> Element:
    """An element as Prosody stores it: ``name``, ``attr``, and children by number. Raises ValueError."""
    attrs, name = table.get("attr"), table.get("name")
    if not isinstance(attrs, dict) or not isinstance(name, str):
        raise ValueError("it has something that is not a stanza")
    namespace = str(attrs.get("xmlns", namespace))
    element = Element(ns.tag(namespace, name))
    for key, value in attrs.items():
        if key != "xmlns":
            element.set(_attribute(str(key)), str(value))
    for number in range(1, len(table) + 1):
        child = table.get(number)
        if isinstance(child, dict):
            element.append(_element(child, namespace))
        elif isinstance(child, str):
            if len(element):
                element[-1].tail = (element[-1].tail or "") + child
            else:
                element.text = (element.text or "") + child
    return element


def _attribute(key: str) -> str:
    space, separator, name = key.partition("\1")
    if separator:
        return ns.tag(space, name)
    return ns.tag(ns.XML, key[4:]) if key.startswith("xml:") else key


def _tables(text: str) -> Iterator[dict[object, _Value]]:
    """The tables of a file: one after ``return``, or several in ``item(…);``. Raises ValueError."""
    tokens = []
    for found in _TOKEN.finditer(text):
        if found["wrong"] is not None:
            raise ValueError(f"it has {found['wrong']!r} where none is expected")
        if not found[0].isspace():
            tokens.append(found[0])
    tokens.reverse()
    while tokens:
        if tokens[-1] == "{":
            value = _value(tokens, 0)
            assert isinstance(value, dict)
            yield value
        elif tokens.pop() not in ("return", "item", "(", ")", ";"):
            raise ValueError("it is not a file of Prosody")


def _value(tokens: list[str], depth: int) -> _Value:
    if not tokens or depth > _MAX_DEPTH:
        raise ValueError("it ends too early, or is nested too deep")
    token = tokens.pop()
    if token[0] == '"':
        return _ESCAPE.sub(_unescaped, token[1:-1].encode()).decode()
    if token in ("true", "false", "nil"):
        return token == "true"
    if token != "{":
        return float(token)
    table: dict[object, _Value] = {}
    number = 1
    while tokens and tokens[-1] != "}":
        if tokens[-1] == "[":
            tokens.pop()
            key = _value(tokens, depth + 1)
            if isinstance(key, dict) or tokens[-2:] != ["=", "]"]:
                raise ValueError("it has a key that is none")
            del tokens[-2:]
            table[key] = _value(tokens, depth + 1)
        else:
            table[number] = _value(tokens, depth + 1)
            number += 1
        if tokens and tokens[-1] in ";,":
            tokens.pop()
    if not tokens:
        raise ValueError("it ends too early")
    tokens.pop()
    return table


def _unescaped(found: re.Match[bytes]) -> bytes:
    """The byte of an escape sequence of Lua."""
    text = found[1]
    return bytes([int(text)]) if text.isdigit() else _ESCAPES.get(text, text)
