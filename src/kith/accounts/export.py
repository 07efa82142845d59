"""Exports everything that the server has of a person, as a ZIP file of JSON that is readable without Kith."""

from __future__ import annotations

import base64
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from kith.base.ids import stamp, stamp_of, to_text
from kith.ports.store import INCOMING, AccountRecord, Entry, LogQuery, Store

_PAGE = 500
#: Parts of documents that are left out, since logins are checked against them.
_SECRET = frozenset(("current", "new", "retired", "keys", "hash"))
_ABOUT = """\
This is what the Kith server has of {jid}, as of {now}.

account.json      the account
documents.json    what belongs to it, by kind: roster, devices, profile, settings and so on
messages.jsonl    the messages that its archive holds, one a line, with the stanza as it was sent;
                  what is encrypted can be read only with the keys of your devices
undelivered.jsonl messages that wait for a device, and are in the archive or not

Passwords, tokens and the PIN are not in here: the server has only what they can be checked against.
Copies of your messages that others received are theirs.
"""


async def export(store: Store, record: AccountRecord, file: Path, now: float) -> int:
    """Writes the file, dated ``now`` (seconds since 1970).

    Returns the number of messages in it. Raises OSError.
    """
    documents = {
        space: {
            document.key: _readable(document.value) for document in await store.documents(record.id, space)
        }
        for space in await store.spaces(record.id, "")
    }
    account = {
        "address": record.jid,
        "has_password": bool(record.keys),
        "delivered": to_text(record.delivered),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("README.txt", _ABOUT.format(jid=record.jid, now=stamp(datetime.fromtimestamp(now, UTC))))
        out.writestr("account.json", _json(account))
        out.writestr("documents.json", _json(documents))
        count = await _write(out, "messages.jsonl", store, record, archived=True)
        await _write(out, "undelivered.jsonl", store, record, archived=False)
    return count


async def _write(out: zipfile.ZipFile, name: str, store: Store, record: AccountRecord, archived: bool) -> int:
    """Writes one file of messages, page by page. Returns their number."""
    count, after = 0, 0
    with out.open(name, "w") as lines:
        while True:
            if archived:
                entries = (await store.page(LogQuery(record.id, after=after, limit=_PAGE))).entries
            else:
                entries = await store.undelivered(record.id, after, _PAGE)
            for entry in entries:
                lines.write(_line(entry))
            count += len(entries)
            if len(entries) < _PAGE:
                return count
            after = entries[-1].id


def _line(entry: Entry) -> bytes:
    held = {
        "id": to_text(entry.id),
        "time": stamp_of(entry.id),
        "incoming": bool(entry.flags & INCOMING),
        "stanza": entry.stanza.decode(errors="replace"),
    }
    return json.dumps(held, ensure_ascii=False).encode() + b"\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _readable(value: bytes) -> Any:
    """A document as JSON values: its text or the content of its msgpack, without the parts to leave out."""
    if value[:1] in (b"<", b"{", b"") or value.isdigit():
        return value.decode(errors="replace")
    try:
        return _plain(msgspec.msgpack.decode(value))
    except msgspec.DecodeError:
        return _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case dict():
            return {str(name): _plain(held) for name, held in value.items() if name not in _SECRET}
        case list() | tuple():
            return [_plain(held) for held in value]
    return value
