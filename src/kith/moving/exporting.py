"""Writes accounts and rooms as one file of XEP-0227, one by one and page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.features import bookmarks
from kith.moving import blocks, cards, contacts, credentials, messages, nodes, private, room_exporting
from kith.moving.names import ARCHIVE, PIE, ROOMS
from kith.ports.store import AccountRecord, Store
from kith.wire.jid import parse_jid
from kith.wire.serialize import escape_attribute, serialize


class Exporter:
    """Writes accounts of one domain. `begin` and `end` write what is around them."""

    def __init__(self, store: Store, clock: Clock, domain: str, file: BinaryIO) -> None:
        self._store = store
        self._clock = clock
        self._domain = domain
        self._file = file
        self.messages = 0

    def begin(self) -> None:
        self._write(
            f"<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='{PIE}'>\n"
            f"<host jid='{escape_attribute(self._domain)}'>\n"
        )

    def end(self) -> None:
        self._write("</host>\n</server-data>\n")

    async def account(self, record: AccountRecord) -> None:
        """Writes an account with everything that the format has a place for."""
        self._write(f"<user name='{escape_attribute(parse_jid(record.jid).local)}'>\n")
        self._elements(credentials.write(record.keys))
        self._elements(list(await contacts.write(self._store, record.id)))
        settings, contents, stored = await nodes.write(self._store, self._clock, record.id)
        card = await cards.write(self._store, record.id, stored)
        block_list = await blocks.write(self._store, record.id)
        marks = stored.nodes.get(bookmarks.NODE)
        older = bookmarks.storage_of(await stored.items(marks)) if marks is not None else None
        self._elements(
            [
                *([card] if card is not None else []),
                await private.write(self._store, record.id, older),
                *([block_list] if block_list is not None else []),
                settings,
                contents,
            ]
        )
        waiting = messages.waiting(self._store, record.id, self._domain)
        await self._list("offline-messages", PIE, waiting)
        await self._list("archive", ARCHIVE, messages.archive(self._store, record.id))
        self._write("</user>\n")

    async def rooms(self, jids: Sequence[str]) -> int:
        """Writes groups, on a host of their own, after all accounts. Returns how many."""
        count = 0
        for jid in jids:
            record = await self._store.account(jid)
            head = await room_exporting.head(self._store, record.id) if record is not None else None
            if record is None or head is None:
                continue
            if not count:
                self._write(f"</host>\n<host jid='{escape_attribute(parse_jid(jid).domain)}'>\n")
            count += 1
            name = escape_attribute(parse_jid(jid).local)
            self._write(f"<room xmlns='{ROOMS}' name='{name}'>\n")
            for element in head:
                self._file.write(serialize(element, ROOMS) + b"\n")
            await self._list("archive", ARCHIVE, messages.archive(self._store, record.id, group=True))
            self._write("</room>\n")
        return count

    def _elements(self, elements: Sequence[Element]) -> None:
        for element in elements:
            if len(element) or element.attrib:
                self._file.write(serialize(element, PIE) + b"\n")

    async def _list(self, name: str, namespace: str, elements: AsyncIterator[Element]) -> None:
        """Writes a list that may be too long for the memory."""
        declared = f" xmlns='{namespace}'" if namespace != PIE else ""
        begun = False
        async for element in elements:
            if not begun:
                self._write(f"<{name}{declared}>\n")
                begun = True
            self._file.write(serialize(element, namespace) + b"\n")
            self.messages += namespace != PIE
        if begun:
            self._write(f"</{name}>\n")

    def _write(self, text: str) -> None:
        self._file.write(text.encode())
