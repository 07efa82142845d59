"""Reads the files into which Prosody writes its data: tables of Lua. They are read as data, never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from kith.wire import ns

#: Larger files are left out, and larger entries of a list.
MAX_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 60
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\[\s\S])*"|-?[0-9][0-9.eE+-]*|[A-Za-z_]+|[{}\[\]()=;,]|\s+|(?P<wrong>[\s\S])'
)
_ESCAPE = re.compile(rb"\\([0-9]{1,3}|[\s\S])")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
#: A table, whose keys are texts, and numbers from 1 on; the values are texts, numbers, booleans and tables.
Table = dict[object, object]


def encoded(name: str) -> str:
    """A name as Prosody writes it into paths."""
    return re.sub(rb"[^A-Za-z0-9]", lambda found: b"%%%02x" % found[0][0], name.encode()).decode()


def decoded(path: str) -> str:
    """The name that is written like this into paths. Raises ValueError."""
    return re.sub(rb"%([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), path.encode()).decode()


def read(file: Path) -> list[Table]:
    """The tables of a file. Raises OSError, ValueError."""
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return list(tables(file.read_text()))


def entries(file: Path) -> Iterator[Table]:
    """The tables of a list, one after the other, since it may be too long for the memory.

    Each begins with ``item(`` and ends with a line ``});``; within a text, the line before such a one ends
    with a backslash. Raises OSError, ValueError.
    """
    lines: list[str] = []
    size = 0
    with file.open() as stream:
        for line in stream:
            lines.append(line)
            size += len(line)
            if size > MAX_BYTES:
                raise ValueError(f"it has an entry of more than {MAX_BYTES} bytes")
            if line.rstrip("\n") == "});" and not (len(lines) > 1 and lines[-2].endswith("\\\n")):
                yield from tables("".join(lines))
                lines, size = [], 0
    if "".join(lines).strip():
        raise ValueError("it ends within an entry")


def element(table: Table, namespace: str) -> Element:
    """An element as Prosody stores it: ``name``, ``attr``, and children by number. Raises ValueError."""
    attrs, name = table.get("attr"), table.get("name")
    if not isinstance(attrs, dict) or not isinstance(name, str):
        raise ValueError("it has something that is not a stanza")
    namespace = str(attrs.get("xmlns", namespace))
    found = Element(ns.tag(namespace, name))
    for key, value in attrs.items():
        if key != "xmlns":
            found.set(_attribute(str(key)), str(value))
    for number in range(1, len(table) + 1):
        child = table.get(number)
        if isinstance(child, dict):
            found.append(element(child, namespace))
        elif isinstance(child, str):
            if len(found):
                found[-1].tail = (found[-1].tail or "") + child
            else:
                found.text = (found.text or "") + child
    return found


def _attribute(key: str) -> str:
    space, separator, name = key.partition("\1")
    if separator:
        return ns.tag(space, name)
    return ns.tag(ns.XML, key[4:]) if key.startswith("xml:") else key


def tables(text: str) -> Iterator[Table]:
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


def _value(tokens: list[str], depth: int) -> object:
    if not tokens or depth > _MAX_DEPTH:
        raise ValueError("it ends too early, or is nested too deep")
    token = tokens.pop()
    if token[0] == '"':
        return _ESCAPE.sub(_unescaped, token[1:-1].encode()).decode()
    if token in ("true", "false", "nil"):
        return token == "true"
    if token != "{":
        return float(token)
    table: Table = {}
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
