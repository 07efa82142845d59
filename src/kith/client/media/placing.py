"""Puts a file under its final name only when it is complete and authenticated."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class PartFile:
    """A temporary file beside the place of the final one, readable by its owner only.

    Ends with `commit` or `discard`. ``size`` and ``digest``: of what was written.
    """

    __slots__ = ("_file", "_hash", "part", "size")

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        self.part = folder / f".{secrets.token_hex(8)}.part"
        descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was written."""
        return self._hash.digest()

    def write(self, data: bytes) -> None:
        """Appends. Raises OSError."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self, path: Path, *, replaces: bool = True) -> None:
        """Writes the file to the disk, and gives it its name.

        Without ``replaces``, raises FileExistsError if there is a file with that name: then another name can
        be tried. Raises OSError.
        """
        try:
            if not self._file.closed:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
            if replaces:
                os.replace(self.part, path)
            else:
                _name(self.part, path)
        except FileExistsError:
            raise
        except BaseException:
            self.discard()
            raise
        _sync_folder(path.parent)

    def discard(self) -> None:
        """Removes the file."""
        with suppress(OSError):  # what could not be written is not wanted any more
            self._file.close()
        with suppress(FileNotFoundError):
            self.part.unlink()


@contextmanager
def placed(path: Path) -> Iterator[PartFile]:
    """A file that gets its name at the end of the ``with`` block. If the block raises, there is none."""
    part = PartFile(path.parent)
    try:
        yield part
    except BaseException:
        part.discard()
        raise
    part.commit(path)


def _name(part: Path, path: Path) -> None:
    """Gives a file its name if nothing has it. Raises FileExistsError."""
    try:
        os.link(part, path)  # unlike a rename, this never replaces anything
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, as on memory cards
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(part, path)
    else:
        part.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
