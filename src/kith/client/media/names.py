"""Names and types of files: what a peer calls a file must not choose where it is saved, or what opens it."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path, PurePosixPath
from typing import Final

from kith.client.media.values import MediaKind
from kith.terminal import one_line

LONGEST_NAME: Final = 100  # bytes of UTF-8
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)
#: Types that `mimetypes` does not know everywhere.
_TYPES = {
    ".heic": "image/heic",
    ".jxl": "image/jxl",
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".m4a": "audio/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".vcf": "text/vcard",
}
_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}\Z")


def safe_name(name: str, type: str = "") -> str:
    """A file name that is safe on every system: one component, without control or reserved characters.

    It neither begins with a dot or a dash, nor is it empty; an extension by ``type`` is added if it has none.
    """
    name = one_line(name.replace("\\", "/").rpartition("/")[2].rpartition(":")[2])
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f\ufffd]', "_", name).strip(" .").lstrip("-~. ")
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        stem, extension = name, (mimetypes.guess_extension(type) or "").lstrip(".")
    if stem.partition(".")[0].casefold() in _RESERVED:
        stem = f"_{stem}"
    extension = _shortened(extension, 20)
    stem = _shortened(stem, LONGEST_NAME - 1 - len(extension.encode())).rstrip(" .") or "file"
    return f"{stem}.{extension}" if extension else stem


def _shortened(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def free_path(folder: Path, name: str) -> Path:
    """A path in a folder that nothing has: the name, or ``name (2)`` and so on."""
    path, number = folder / name, 1
    while path.exists() or path.is_symlink():
        number += 1
        pure = PurePosixPath(name)
        path = folder / f"{pure.stem} ({number}){pure.suffix}"
    return path


def type_of(name: str) -> str:
    """The MIME type that the extension of a name stands for."""
    suffix = PurePosixPath(name).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"


def known_type(type: object) -> str:
    """A MIME type as somebody has sent it, if it has the form of one."""
    if isinstance(type, str) and _TYPE.match(found := type.partition(";")[0].strip().lower()):
        return found
    return "application/octet-stream"


def kind_of(type: str) -> MediaKind:
    """How files of a type are shown. SVG is a file, since it can be a program."""
    if type in ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"):
        return MediaKind.PICTURE
    if type.startswith("video/"):
        return MediaKind.VIDEO
    return MediaKind.AUDIO if type.startswith("audio/") or type == "application/ogg" else MediaKind.FILE


def words(kind: MediaKind) -> str:
    """What a kind is called."""
    return _WORDS[kind]


_WORDS = {
    MediaKind.PICTURE: "Picture",
    MediaKind.VIDEO: "Video",
    MediaKind.VOICE: "Voice message",
    MediaKind.AUDIO: "Audio",
    MediaKind.FILE: "File",
    MediaKind.STICKER: "Sticker",
    MediaKind.CONTACT: "Contact",
    MediaKind.LOCATION: "Location",
}


def size_text(size: int | None) -> str:
    """A number of bytes for people."""
    if size is None:
        return ""
    amount = float(size)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000 or (unit == "bytes" and size < 1000):
            return f"{size} bytes" if unit == "bytes" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"
