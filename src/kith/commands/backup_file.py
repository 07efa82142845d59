"""The file that `kith backup` writes: an ordinary tar archive.

    kith-backup.json   what it is: format, program, domain, time
    secret, certificate.pem, private-key.pem, settings: those that are in the data folder
    kith.sqlite        the database
    SHA256SUMS         the hashes of all of these, as `sha256sum -c` takes them

It is not encrypted, and contains everything that the server has.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

FORMAT = 1
ABOUT = "kith-backup.json"
SUMS = "SHA256SUMS"
_CHUNK = 1 << 20
_SMALL = 64 * 1024

#: Called with the number of bytes that were read or written since the last call.
Progress = Callable[[int], None]


class BackupError(Exception):
    """The file is not a good backup. The text is one line for the operator."""


class About(msgspec.Struct, forbid_unknown_fields=False):
    """The description inside a backup.

    ``format`` is increased when older programs can't read the file any more. ``kith``: the version that wrote
    it. ``made``: when, in UTC. ``schema``: the version of the database.
    """

    format: int
    kith: str
    domain: str
    made: str
    schema: int

    @classmethod
    def now(cls, kith: str, domain: str, schema: int) -> About:
        return cls(FORMAT, kith, domain, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", schema)


def write(out: IO[bytes], about: About, files: Mapping[str, Path], progress: Progress) -> None:
    """Writes a backup of ``files``, which are by their names in the archive. Raises OSError."""
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, ABOUT, msgspec.json.format(msgspec.json.encode(about)) + b"\n", sums)
        for name, path in files.items():
            with path.open("rb") as file:
                header = _header(name, os.fstat(file.fileno()).st_size)
                reading = _Hashing(file, progress)
                tar.addfile(header, reading)
                sums[name] = reading.hexdigest()
        text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
        _add(tar, SUMS, text.encode(), {})


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    header.mtime = int(datetime.now(UTC).timestamp())
    return header


def _add(tar: tarfile.TarFile, name: str, content: bytes, sums: dict[str, str]) -> None:
    tar.addfile(_header(name, len(content)), io.BytesIO(content))
    sums[name] = hashlib.sha256(content).hexdigest()


class _Hashing(io.RawIOBase):
    """A file that hashes what is read from it."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        self._progress(len(data))
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def read(file: IO[bytes], progress: Progress, folder: Path | None = None) -> About:
    """Reads and checks a whole backup, and extracts its files into ``folder`` if one is given.

    Raises BackupError, also if a newer format is not supported, and OSError.
    """
    about: About | None = None
    sums: dict[str, str] = {}
    expected: dict[str, str] | None = None
    try:
        with tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or expected is not None:
                    raise BackupError(f"the backup contains something that is not a file: {member.name}")
                if member.name == SUMS:
                    expected = _sums(content.read(_SMALL))
                elif about is None:
                    data = content.read(_SMALL)
                    about = _about(member.name, data)
                    sums[member.name] = hashlib.sha256(data).hexdigest()
                else:
                    sums[member.name] = _take(member.name, content, folder, progress)
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise BackupError(f"the backup is cut short or damaged ({error})") from None
    if about is None:
        raise BackupError("this is no backup of Kith")
    if expected is None:
        raise BackupError("the backup is cut short")
    for name in sorted(expected.keys() | sums.keys()):
        if expected.get(name) != sums.get(name):
            raise BackupError(f"the backup is damaged: {name} is not what it was")
    return about


def _about(name: str, data: bytes) -> About:
    if name != ABOUT:
        raise BackupError("this is no backup of Kith")
    try:
        about = msgspec.json.decode(data, type=About)
    except msgspec.DecodeError:
        try:
            number = int(msgspec.json.decode(data).get("format", 0))
        except (msgspec.DecodeError, AttributeError, TypeError, ValueError):
            number = 0
        if number <= FORMAT:
            raise BackupError(f"the backup is damaged: {name} is not what it was") from None
        raise BackupError("the backup is of a newer Kith: restore it with that one") from None
    if about.format > FORMAT:
        raise BackupError(f"the backup is of a newer Kith ({about.kith}): restore it with that one")
    return about


def _sums(data: bytes) -> dict[str, str]:
    lines = (line.partition("  ") for line in data.decode().splitlines())
    return {name: digest for digest, _, name in lines}


def _take(name: str, content: IO[bytes], folder: Path | None, progress: Progress) -> str:
    """Hashes a file of the archive, and writes it into the folder if there is one. Returns the hash."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or not parts.parts or ".." in parts.parts or "\\" in name or "\0" in name:
        raise BackupError(f"the backup has a file with a name that can't be: {name!r}")
    digest = hashlib.sha256()
    if folder is None:
        for chunk in _chunks(content, digest.update, progress):
            del chunk
        return digest.hexdigest()
    path = folder / parts
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BackupError(f"the backup has {name} twice") from None
    with os.fdopen(descriptor, "wb") as file:
        for chunk in _chunks(content, digest.update, progress):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _chunks(content: IO[bytes], hash: Callable[[bytes], None], progress: Progress) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        hash(chunk)
        progress(len(chunk))
        yield chunk
