"""The interface of a blob store: opaque files, written once, that the media server keeps for people.

A blob is named by an id of 22 characters of base64url (`is_blob_id`), which is its name on the disk or in a
bucket too. Blobs never change. Uploads arrive in a spool file on the media server's own disk, and are put
into the store when they are complete.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple, Protocol

_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def is_blob_id(text: str) -> bool:
    """Whether a text has the form of a blob's id."""
    return _ID.fullmatch(text) is not None


class BlobError(Exception):
    """The store can't do this now, but perhaps later. The text is one line for the operator."""


class BlobMissing(BlobError):
    """The store does not have the blob."""


class BlobFull(BlobError):
    """The store has no room."""


class Serving(NamedTuple):
    """How a download is to be answered, as the store needs to know it for an address of its own.

    ``type`` and ``disposition``: the values of Content-Type and Content-Disposition (RFC 6266).
    """

    type: str
    disposition: str


class Blobs(Protocol):
    """A blob store. Methods other than `path` raise BlobError."""

    async def start(self) -> None:
        """Checks that the store can be used: that it can be reached, and written to."""

    async def stop(self) -> None:
        """Ends what still runs."""

    async def put(self, blob: str, spool: Path, size: int, serving: Serving) -> None:
        """Keeps the content of a spool file of ``size`` bytes, and removes the file.

        ``serving``: how it will be downloaded, for a store with addresses of its own.

        When this returns, the blob survives a power failure. Repeating it after it was interrupted at any
        moment is safe, also if the file is gone since the blob is there.
        """

    async def size(self, blob: str) -> int | None:
        """The size of a blob in bytes, or None if it does not exist."""

    def path(self, blob: str) -> Path | None:
        """The file of a blob, which may not exist; None if the store has no files on this machine."""

    async def address(self, blob: str, serving: Serving) -> str | None:
        """A signed URL at which anybody can download the blob for a while.

        None if the media server has to send it.
        """

    def read(self, blob: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from ``start`` to before ``end``, in pieces of at most a megabyte."""

    async def remove(self, blob: str) -> None:
        """Removes a blob, if it exists."""

    def all(self) -> AsyncIterator[str]:
        """The ids of all blobs, in no particular order."""

    async def free(self) -> int | None:
        """The free space in bytes; None if it is not limited."""
