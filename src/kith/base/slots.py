"""Slots: the fixed number of parts into which all that has a name is divided between nodes."""

from __future__ import annotations

import zlib

#: How many slots there are, for ever: which slot a name lies in is stored.
SLOTS = 1024


def slot_of(key: str) -> int:
    """The slot of a name, the same on every node and in every release: 0 to ``SLOTS`` - 1."""
    return zlib.crc32(key.encode()) % SLOTS
