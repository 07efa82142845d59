"""The limits on what one stream may send."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits beyond which a stream ends with an error.

    ``stanza_bytes``: the size of a stanza, or of everything up to the end of the stream header. ``depth``:
    the nesting of elements, including the stream itself. ``attributes``: of one element. ``names``: the
    number of elements and attributes in a stanza, because a parser stores each name. ``tag_bytes``: the
    size of a tag.
    """

    stanza_bytes: int = 512 * 1024
    depth: int = 64
    attributes: int = 64
    names: int = 16 * 1024
    tag_bytes: int = 16 * 1024
