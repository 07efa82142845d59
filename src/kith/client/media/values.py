"""What a message has besides text if it brings a file, a contact card or a location."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

#: The name of the stream that has the sound of a video.
SOUND = "audio"
#: Called with the bytes that are done, and all that there are (0 if that is not known).
Progress = Callable[[int, int], None]


class MediaKind(Enum):
    """How an app shows a file."""

    PICTURE = "picture"
    VIDEO = "video"
    VOICE = "voice"
    """A voice message, to be played at once."""
    AUDIO = "audio"
    FILE = "file"
    STICKER = "sticker"
    CONTACT = "contact"
    """A contact card: ``Media.card``."""
    LOCATION = "location"
    """A place: ``Media.place``."""

    @property
    def is_file(self) -> bool:
        """Whether there is something to download."""
        return self not in (MediaKind.CONTACT, MediaKind.LOCATION)

    @property
    def is_shown(self) -> bool:
        """Whether it is a picture that a terminal may show."""
        return self in (MediaKind.PICTURE, MediaKind.STICKER)


class Saves(Protocol):
    """What media need of their client, so that they can be saved."""

    async def save_media(
        self, media: Media, path: Path | str, progress: Progress | None = None, rendition: str = ""
    ) -> Path: ...
    def stream_media(self, media: Media, rendition: str = "") -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A location, in degrees (WGS 84). ``accuracy``: in metres; None if it is not known."""

    latitude: float
    longitude: float
    accuracy: float | None = None
    name: str = ""

    @property
    def uri(self) -> str:
        """As a ``geo:`` URI (RFC 5870)."""
        text = f"geo:{_degrees(self.latitude)},{_degrees(self.longitude)}"
        return text if self.accuracy is None else f"{text};u={_degrees(self.accuracy)}"


def _degrees(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


@dataclass(frozen=True, slots=True)
class Rendition:
    """One quality of a video, or (``audio``) its sound, as a sequence of segments in one blob.

    ``offset`` and ``length``: where its index is in the blob, in bytes.
    """

    name: str
    url: str
    type: str
    offset: int
    length: int
    width: int = 0
    height: int = 0
    bitrate: int = 0


@dataclass(frozen=True, slots=True)
class Media:
    """A file of a message, as its sender describes it. Nothing of that has to be true.

    ``name`` is the sender's text: pass it through `kith.terminal.one_line` before you print it, and never use
    it as a path (`save` makes a safe one). ``size``: bytes; None if it is not known. ``duration``:
    milliseconds. ``preview``: a ThumbHash. ``thumbnail``: a small JPEG or WebP. ``waveform``: of a voice
    message, numbers of 0 to 31. ``once``: to be viewed once. ``encrypted``: its bytes are, with ``key``.
    ``segments``: the address of a large file, which is encrypted piece by piece, and the bytes of its
    ciphertext. ``streams``: the qualities of a video, and its sound (`renditions`). ``heard``: we, or one of
    those that we have sent it to, have listened to the voice message. ``row``: that of its message.
    """

    kind: MediaKind
    name: str = ""
    type: str = "application/octet-stream"
    size: int | None = None
    url: str | None = None
    key: bytes = field(default=b"", repr=False)
    iv: bytes = field(default=b"", repr=False)
    digest: bytes = b""
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    preview: bytes = field(default=b"", repr=False)
    thumbnail: bytes = field(default=b"", repr=False)
    caption: str = ""
    album: str = ""
    waveform: tuple[int, ...] = field(default=(), repr=False)
    once: bool = False
    segments: tuple[str, int] | None = None
    streams: tuple[Rendition, ...] = ()
    card: str = ""
    place: Place | None = None
    heard: bool = False
    row: int = field(default=0, compare=False)
    client: Saves | None = field(default=None, repr=False, compare=False)

    @property
    def encrypted(self) -> bool:
        """Whether the server can't read it."""
        return bool(self.key) or not self.kind.is_file

    @property
    def address(self) -> str | None:
        """Where the file is; None if it was not uploaded yet, or is none."""
        return self.url or (self.segments[0] if self.segments else None)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds."""
        return None if self.duration is None else self.duration / 1000

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """The qualities of a video, the best first; empty if there is only the file itself."""
        pictures = (one for one in self.streams if one.name != SOUND)
        return tuple(sorted(pictures, key=lambda one: (one.height, one.bitrate), reverse=True))

    async def save(self, path: Path | str, progress: Progress | None = None, *, rendition: str = "") -> Path:
        """Downloads, decrypts and authenticates the file, and returns where it is.

        ``path``: where to; in a folder, it gets the sender's name, made safe, and never that of another file.
        Another path is replaced. It has its name only once it is complete and authenticated. ``progress`` is
        called with the bytes that are done, and all. ``rendition``: the name of one of `renditions`, which is
        saved with its sound, in place of the file that all apps get.

        Raises MediaDamaged, MediaGone (its sender is asked to upload it again), MediaUnreachable, OSError,
        and NotSendable if there is nothing to save.
        """
        if self.client is None:
            raise ValueError("This file does not belong to a client.")
        return await self.client.save_media(self, path, progress, rendition)

    async def stream(self, rendition: str = "") -> AsyncIterator[bytes]:
        """The file's bytes in order, as they arrive, in pieces of a megabyte or so, in flat memory.

        ``rendition``: one of `renditions`, or ``audio`` for their sound: a fragmented MP4 without the other.
        By default the file itself. What is yielded is authenticated. That nothing is missing is known only
        when the iteration has ended without an error. What is encrypted as a whole (up to 64 MiB) can be
        authenticated only when all of it is there, so it is yielded then. Raises as `save`.
        """
        if self.client is None:
            raise ValueError("This file does not belong to a client.")
        async for piece in self.client.stream_media(self, rendition):
            yield piece
