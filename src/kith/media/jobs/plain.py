"""Whether a file contains a picture and nothing else: no metadata, no thumbnail, no other file behind it.

Only such a file is left as it is; anything else is encoded anew. So the answer may be no although there is
nothing, but never yes although there is something. Runs in the worker.
"""

from __future__ import annotations

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
#: Chunks of PNG that are the picture itself, or how it looks.
_PNG_CHUNKS = frozenset(
    (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB", b"cHRM", b"sBIT", b"bKGD", b"pHYs")
)
#: Chunks of WebP: lossy, lossless, alpha, and the head that says which of them follow.
_WEBP_CHUNKS = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH"))
#: Bits in the head of WebP for a color profile, EXIF, XMP and animation.
_WEBP_MORE = 0x20 | 0x08 | 0x04 | 0x02
#: Markers of JPEG: frames, tables, restart interval, and what JFIF and Adobe say about colors.
_JPEG_MARKERS = frozenset((0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xE0, 0xEE))
_SOS, _EOI, _JFIF = 0xDA, 0xD9, 0xE0
#: The length of a JFIF segment without a thumbnail.
_JFIF_BYTES = 16


def is_plain(data: bytes) -> bool:
    """Whether a JPEG, PNG or WebP contains a picture and nothing else. False for everything else."""
    try:
        if data.startswith(_PNG):
            return _plain_png(data)
        if data.startswith(b"\xff\xd8"):
            return _plain_jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _plain_webp(data)
    except (struct.error, IndexError):  # it ends early
        pass
    return False


def _plain_png(data: bytes) -> bool:
    at = len(_PNG)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind not in _PNG_CHUNKS:
            return False
        at += 12 + length
        if kind == b"IEND":
            return bool(length == 0) and at == len(data)
    return False


def _plain_webp(data: bytes) -> bool:
    size = int.from_bytes(data[4:8], "little")
    if size + 8 != len(data):
        return False
    at = 12
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind not in _WEBP_CHUNKS or (kind == b"VP8X" and data[at + 8] & _WEBP_MORE):
            return False
        at += 8 + length + length % 2
    return at == len(data)


def _plain_jpeg(data: bytes) -> bool:
    at = 2
    while True:
        if data[at] != 0xFF:
            return False
        marker = data[at + 1]
        if marker == _EOI:
            return at + 2 == len(data)
        if marker != _SOS and marker not in _JPEG_MARKERS:
            return False
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or (marker == _JFIF and length != _JFIF_BYTES):
            return False
        at += 2 + length
        if marker == _SOS:
            at = _end_of_scan(data, at)


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the next marker is after compressed data, in which FF is followed by 00 or a restart marker."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise IndexError
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2
