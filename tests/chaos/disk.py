"""A disk that fails when a test says so, and that remembers what was written and what was synced.

`disk.c` is compiled once a run and preloaded into a server: the server, its SQLite and its files are the real
ones. It needs no rights of root. `Powercut` makes of the journal what a disk would hold after the power went
at a given moment.
"""

from __future__ import annotations

import mmap
import os
import random
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_SECTOR = 512
_RECORD = struct.Struct("<QQQIc27s")


@cache
def shim() -> Path:
    """The compiled library."""
    folder = Path(tempfile.mkdtemp(prefix="kith-disk-"))
    library = folder / "disk.so"
    source = Path(__file__).with_name("disk.c")
    command = ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run([*command, "-lpthread"], check=True)
    return library


class Disk:
    """``mode``: ``0`` sound, ``F`` full, ``R`` read-only, ``H`` hangs, ``h`` reads hang, ``E`` syncs fail.

    ``environ`` is for the process whose database is on it.
    """

    def __init__(self, folder: Path, journal: bool = False) -> None:
        file = folder / "disk-mode"
        file.write_bytes(b"0" * 4096)
        with file.open("r+b") as stream:
            self._page = mmap.mmap(stream.fileno(), 4096)
        self.journal = folder / "disk-journal"
        self.environ = {"LD_PRELOAD": str(shim()), "CHAOS_DISK": str(file)}
        if journal:
            self.environ["CHAOS_JOURNAL"] = str(self.journal)

    @property
    def mode(self) -> str:
        return chr(self._page[0])

    @mode.setter
    def mode(self, mode: str) -> None:
        self._page[0] = ord(mode)


class Operation(NamedTuple):
    """A write, truncation, sync or unlinking (``op``: W, T, S, U), in nanoseconds of the monotonic clock."""

    done: int
    begun: int
    offset: int
    op: str
    name: str
    data: bytes


def read_journal(path: Path) -> list[Operation]:
    """All operations in the order in which they were done."""
    return list(_records(path.read_bytes()))


def _records(raw: bytes) -> Iterator[Operation]:
    position = 0
    while position + _RECORD.size <= len(raw):
        done, begun, offset, length, op, name = _RECORD.unpack_from(raw, position)
        position += _RECORD.size
        size = length if op == b"W" else 0
        data = raw[position : position + size]
        if len(data) < size:
            return
        position += size
        yield Operation(done, begun, offset, op.decode(), name.rstrip(b"\0").decode(), data)


class Powercut:
    """What is on the disk after the power went, from the operations up to that moment.

    What a completed sync covers is there. Of the rest each write may be there, or not, or as some of its
    sectors: disks reorder and tear.
    """

    def __init__(self, operations: list[Operation]) -> None:
        self._operations = operations

    def restore(self, moment: int, folder: Path, rng: random.Random) -> None:
        """Writes the files as found afterwards. ``moment``: in nanoseconds of the monotonic clock."""
        past = [operation for operation in self._operations if operation.done <= moment]
        # a write is safe if a sync of its file began after it and has ended
        safe_until: dict[str, int] = {}
        for operation in past:
            if operation.op == "S":
                safe_until[operation.name] = max(safe_until.get(operation.name, 0), operation.begun)
        files: dict[str, bytearray] = {}
        for operation in past:
            if operation.op == "U":
                files.pop(operation.name, None)
                continue
            content = files.setdefault(operation.name, bytearray())
            safe = operation.done <= safe_until.get(operation.name, 0)
            if operation.op == "T" and (safe or rng.random() < 0.5):
                _resize(content, operation.offset)
            elif operation.op == "W":
                self._write(content, operation, 1.0 if safe else rng.choice((0.0, 0.5, 1.0)), rng)
        for name, content in files.items():
            (folder / name).write_bytes(content)

    def _write(self, content: bytearray, operation: Operation, share: float, rng: random.Random) -> None:
        data, offset = operation.data, operation.offset
        if share == 1.0:
            if len(content) < offset:
                _resize(content, offset)
            content[offset : offset + len(data)] = data
            return
        for start in range(0, len(data), _SECTOR):
            if rng.random() < share:
                part = data[start : start + _SECTOR]
                end = offset + start + len(part)
                if len(content) < end:
                    _resize(content, end)
                content[offset + start : end] = part


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


def preload(environ: dict[str, str], disk: Disk) -> None:
    """The process with that environment has its database on that disk."""
    environ.update(disk.environ)
    assert os.path.exists(disk.environ["LD_PRELOAD"])
