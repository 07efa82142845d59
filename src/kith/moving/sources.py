"""Finds the files of an export: one file, a file with includes, or a folder of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

from kith.moving.reading import Event, HostOpened, Include, Level, ReadError, UserClosed, UserOpened, events

#: How deep files may include others.
_MAX_INCLUDES = 8


class Sources:
    """The files of an export.

    ``problem`` is called with a file and what is wrong with it; the other files are read nevertheless.
    ``progress`` is called with the bytes that were read.
    """

    def __init__(self, path: Path, problem: Callable[[str, str], None]) -> None:
        """Raises OSError."""
        self._problem = problem
        self.progress: Callable[[int], None] = lambda _: None
        folder = path.is_dir()
        self._base = (path if folder else path.parent).resolve()
        files = sorted(path.glob("*.xml")) if folder else [path]
        self.size = sum(file.stat().st_size for file in (sorted(path.rglob("*.xml")) if folder else files))
        self.count = len(files)
        self._read: set[Path] = set()
        self._files = sorted(files, key=_depth) if folder else files

    def events(self) -> Iterator[Event]:
        """What is in the files, in order. Files that others include are read where these say so."""
        self._read.clear()
        for file in self._files:
            if file.resolve() not in self._read:
                yield from self._whole(file, Level.DOCUMENT, ())

    def _whole(self, file: Path, level: Level, opened: tuple[Path, ...]) -> Iterator[Event]:
        resolved = file.resolve()
        self._read.add(resolved)
        try:
            with file.open("rb") as stream:
                for event in events(_Counted(stream, self.progress), level):  # type: ignore[arg-type]
                    if isinstance(event, Include):
                        yield from self._included(event, file, (*opened, resolved))
                    else:
                        yield event
        except ReadError as error:
            self._problem(file.name, str(error))
        except OSError as error:
            self._problem(file.name, error.strerror or str(error))

    def _included(self, include: Include, file: Path, opened: tuple[Path, ...]) -> Iterator[Event]:
        target = (file.parent / unquote(include.href)).resolve()
        if not include.href or not include.whole or ":" in include.href.partition("/")[0]:
            self._problem(file.name, f"includes {include.href!r}, which is not a whole file beside it")
        elif not target.is_relative_to(self._base):
            self._problem(file.name, f"includes {include.href!r}, which is outside of the folder")
        elif target in opened or len(opened) >= _MAX_INCLUDES:
            self._problem(file.name, f"includes {include.href!r}, which includes itself or too many others")
        else:
            yield from self._whole(target, include.level, opened)


class _Counted:
    """A file that tells how much was read."""

    def __init__(self, file: object, progress: Callable[[int], None]) -> None:
        self._file = file
        self._progress = progress

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)  # type: ignore[attr-defined]
        self._progress(len(data))
        return data


def _depth(file: Path) -> int:
    """0 for a file with all hosts, 1 for one of a host, which another file may include, 2 for others."""
    try:
        with file.open("rb") as stream:
            for event in events(stream):
                if isinstance(event, HostOpened):
                    return 1
                if isinstance(event, Include | UserOpened | UserClosed):
                    return 0
    except (OSError, ReadError):
        pass
    return 2
