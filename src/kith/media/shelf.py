"""Finds what is to be downloaded, and keeps small blobs in memory that are wanted again and again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import structlog

from kith.media import records
from kith.media.depot import Depot
from kith.media.records import Blob

logger = structlog.get_logger("kith.media")
#: The size of the largest blob that is kept in memory, and of all of them.
SMALL = 64 * 1024
_ROOM = 16 * 1024 * 1024
#: For how many seconds: another process (`kith media expire`) may remove a blob.
_FRESH = 60.0


class Opened(NamedTuple):
    """A blob to be sent: its content if it is small, else a descriptor of its file, to be closed.

    Neither for a store without files on this machine.
    """

    blob: Blob
    content: bytes | None = None
    descriptor: int | None = None


class _Kept(NamedTuple):
    opened: Opened
    until: float


class Shelf:
    """The blobs of a depot, for reading."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._time = asyncio.get_running_loop().time

    def at_hand(self, blob: str) -> Opened | None:
        """A small blob that is in memory."""
        kept = self._kept.get(blob)
        if kept is None:
            return None
        if kept.until < self._time():
            self._drop(blob)
            return None
        self._kept.move_to_end(blob)
        return kept.opened

    async def open(self, blob: str) -> Opened | None:
        """A complete blob, or None. Takes one thread's turn. Raises BlobError."""
        path = self._depot.blobs.path(blob)
        opening = asyncio.ensure_future(
            self._depot.on_disk(lambda: self._open(self._depot.database.own(), blob, path))
        )
        try:
            opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)  # the client has gone, the thread goes on
            raise
        if opened is not None and opened.content is not None:
            self._keep(opened)
        return opened

    def _open(self, db: sqlite3.Connection, blob: str, path: Path | None) -> Opened | None:
        found = records.find(db, blob)
        if found is None or found.completed is None:
            return None
        if path is None:
            return Opened(found)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            logger.error("a file is missing", blob=blob, todo="restore it, or run: kith media verify")
            return None
        try:
            if os.fstat(descriptor).st_size != found.size:
                logger.error("a file has another size", blob=blob, todo="run: kith media verify")
                return None
            if found.size > SMALL:
                opened = Opened(found, None, descriptor)
                descriptor = -1
                return opened
            return Opened(found, os.pread(descriptor, SMALL, 0))
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _keep(self, opened: Opened) -> None:
        self._drop(opened.blob.id)
        self._kept[opened.blob.id] = _Kept(opened, self._time() + _FRESH)
        self._bytes += opened.blob.size + 512
        while self._bytes > _ROOM:
            self._drop(next(iter(self._kept)))

    def _drop(self, blob: str) -> None:
        kept = self._kept.pop(blob, None)
        if kept is not None:
            self._bytes -= kept.opened.blob.size + 512


def _close(opening: asyncio.Future[Opened | None]) -> None:
    """Closes what was opened for nobody."""
    if opening.cancelled() or opening.exception() is not None:
        return
    opened = opening.result()
    if opened is not None and opened.descriptor is not None:
        os.close(opened.descriptor)
