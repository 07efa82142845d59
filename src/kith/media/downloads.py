"""What a download is answered with: status, header fields and a range of bytes. Knows nothing of sockets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from kith.media.records import Blob
from kith.ports.blobs import Serving

#: Types that a browser may show by itself. SVG and everything like HTML is not among them.
_INLINE = re.compile(r"(image/(?!svg)|audio/|video/)")
_OCTETS = "application/octet-stream"
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)
#: What every answer has, also one without content: nothing here can act for another origin.
SAFE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, ETag, Accept-Ranges",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_LASTING = {"Cache-Control": "public, max-age=31536000, immutable", "Accept-Ranges": "bytes"}


class Download(NamedTuple):
    """The answer to a GET request of a blob. The bytes from ``start`` to before ``end`` are its content."""

    status: int
    headers: dict[str, str]
    start: int = 0
    end: int = 0


def serving(blob: Blob) -> Serving:
    """With which type a blob is downloaded, and whether a browser may show it."""
    if _INLINE.match(blob.type):
        return Serving(blob.type, "inline")
    return Serving(_OCTETS, "attachment")


def answer(blob: Blob, field: Callable[[str], str]) -> Download:
    """The answer to a GET or HEAD request (RFC 9110 §13.2.2 and §14.2).

    ``field``: the value of a header field of the request, empty if it is missing.
    """
    tag = f'"{blob.id}"'
    headers = {"ETag": tag, **_LASTING, **SAFE}
    if _matches(field("If-None-Match"), tag):
        return Download(304, headers)
    how = serving(blob)
    headers["Content-Type"] = how.type
    headers["Content-Disposition"] = how.disposition
    start, end, status = 0, blob.size, 200
    wanted = field("Range")
    if wanted and field("If-Range") in ("", tag):
        found = _range(wanted, blob.size)
        if found is None:
            headers["Content-Range"] = f"bytes */{blob.size}"
            headers["Content-Length"] = "0"
            return Download(416, headers)
        if found:
            start, end = found
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
    headers["Content-Length"] = str(end - start)
    return Download(status, headers, start, end)


def _matches(value: str, tag: str) -> bool:
    return bool(value) and (
        value.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in value.split(","))
    )


def _range(text: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """The range that a request asks for: ``()`` if it is to be ignored, None if the blob has none of it."""
    match = _RANGE.fullmatch(text.replace(" ", ""))
    if match is None or match.groups() == ("", "") or max(map(len, match.groups())) > 18:
        return ()  # several ranges, or something else that a server need not understand
    first, last = match.groups()
    if not first:
        length = int(last)
        return (max(0, size - length), size) if length and size else None
    start, end = int(first), int(last) + 1 if last else size
    if last and end <= start:
        return ()
    return (start, min(end, size)) if start < size else None
