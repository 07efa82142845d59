"""Slots: the names of accounts are distributed over a fixed number of slots, each of which one node owns."""

from __future__ import annotations

import zlib

#: The number of slots. It can never change, since ids and placement depend on it.
SLOTS = 1024


def slot_of(key: str) -> int:
    """The slot of a name, from 0 to ``SLOTS`` - 1. It is the same on every node and in every release."""
    return zlib.crc32(key.encode()) % SLOTS
