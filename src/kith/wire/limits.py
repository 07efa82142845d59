"""Bounds on what one stream may send."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one stream may send, before it ends with an error.

    ``stanza_bytes``: one stanza, or all up to the end of the stream header. ``depth``: elements
    inside each other, the stream itself included. ``attributes``: of one element. ``names``: elements
    and attributes of one stanza, because a parser keeps each name that it meets. ``tag_bytes``: one tag.
    """

    stanza_bytes: int = 512 * 1024
    depth: int = 64
    attributes: int = 64
    names: int = 16 * 1024
    tag_bytes: int = 16 * 1024
