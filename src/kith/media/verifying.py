"""Compares the records of a media server with its blobs: what is missing, damaged or left over.

The checksum is CRC-32, made while a file was uploaded: it finds what a disk has spoiled. Against people,
files are authenticated by those who have encrypted them.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from functools import partial
from typing import NamedTuple

from kith.media import records
from kith.media.depot import Depot
from kith.media.records import Blob
from kith.ports.blobs import BlobError

_PAGE = 500


class Finding(NamedTuple):
    """What is wrong with a blob: ``missing``, ``damaged``, ``unreadable`` or ``unknown`` (no record)."""

    blob: str
    fault: str


async def verify(depot: Depot) -> AsyncIterator[Finding | Blob]:
    """Reads everything. Yields each blob, after what is wrong with it if something is. Raises BlobError."""
    after = ""
    while page := await depot.database.read(partial(records.complete_after, after=after, limit=_PAGE)):
        for blob in page:
            if (fault := await _fault(depot, blob)) and await depot.find(blob.id) is not None:
                yield Finding(blob.id, fault)
            yield blob
        after = page[-1].id
    async for name in depot.blobs.all():
        if await depot.find(name) is None:
            yield Finding(name, "unknown")


async def _fault(depot: Depot, blob: Blob) -> str:
    try:
        size = await depot.blobs.size(blob.id)
        if size is None:
            return "missing"
        crc = 0
        if size == blob.size:
            async for piece in depot.blobs.read(blob.id, 0, size):
                crc = zlib.crc32(piece, crc)
        return "" if (size, crc) == (blob.size, blob.crc) else "damaged"
    except BlobError:
        return "unreadable"
