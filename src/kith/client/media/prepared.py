"""What is sent of a file that the user has chosen: pictures made smaller, without metadata, and so on.

Everything here is slow, and runs in a thread. What has libraries of the extra ``media`` is used if they are
there; without them, files are sent as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kith.client.errors import LibraryMissing, NotSendable
from kith.client.media import names
from kith.client.media.values import Media, MediaKind

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """``path``: the file to encrypt. ``made``: it was made for this, in our folder."""

    path: Path
    media: Media
    made: bool


def prepare(path: Path, folder: Path, *, as_document: bool, high_quality: bool) -> Prepared:
    """Prepares a file. ``folder``: where one that is made is put.

    Documents are sent as they are. Raises OSError, and NotSendable if it is not a file.
    """
    if not path.is_file():
        raise NotSendable(f"{path} is not a file.")
    type = names.type_of(path.name)
    media = Media(MediaKind.FILE, path.name[:255], type)
    if as_document:
        return Prepared(path, media, False)
    kind = names.kind_of(type)
    work = {MediaKind.PICTURE: _picture, MediaKind.VIDEO: _video, MediaKind.AUDIO: _audio}.get(kind)
    if work is None:
        return Prepared(path, media, False)
    try:
        return work(path, folder, replace(media, kind=kind), high_quality)
    except (LibraryMissing, UnreadableMedia) as error:
        _log.info("%s is sent as it is: %s", path.name, error)
        return Prepared(path, media, False)


class UnreadableMedia(Exception):
    """A file is not what its name says, or too large to be worked on. It is sent as a document."""


def _picture(path: Path, folder: Path, media: Media, high_quality: bool) -> Prepared:
    from kith.client.media.pictures import prepare_picture

    return prepare_picture(path, folder, media, high_quality)


def _video(path: Path, folder: Path, media: Media, high_quality: bool) -> Prepared:
    from kith.client.media.videos import prepare_video

    return prepare_video(path, folder, media)


def _audio(path: Path, folder: Path, media: Media, high_quality: bool) -> Prepared:
    from kith.client.media.sounds import describe_sound

    return Prepared(path, describe_sound(path, media), False)


def installed(import_: Callable[[], object], name: str) -> None:
    """Imports a library. Raises LibraryMissing."""
    try:
        import_()
    except ImportError:
        raise LibraryMissing(f"This needs {name}. Install it with: pip install 'kith[media]'") from None
