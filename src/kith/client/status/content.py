"""What is encrypted of a status (docs/status.md): the JSON beside its text. Peers may send anything."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kith.client.media.descriptor import describe, parse
from kith.client.media.values import Media
from kith.client.status.values import DAY, LONGEST_TEXT, StatusKind, StatusQuote

_COLOR = re.compile(r"#[0-9a-f]{6}")
_LONGEST_ID, _LONGEST_JID, _LONGEST_QUOTE, _MOST_THUMBNAIL = 100, 3071, 200, 8192


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a status."""

    kind: StatusKind
    text: str
    color: str = ""
    seconds: int = DAY
    forward: bool = False
    media: Media | None = None

    def sealed(self) -> dict[str, Any]:
        """The JSON object that is sealed beside the text."""
        status: dict[str, Any] = {
            "v": 1,
            "kind": self.kind.value,
            "seconds": self.seconds,
            "forward": self.forward,
        }
        if self.color:
            status["color"] = self.color
        return {"status": status} | ({} if self.media is None else {"media": [describe(self.media)]})


def content_of(text: str, sealed: object) -> Content | None:
    """The content that somebody has sent; None if it is no status."""
    status = sealed.get("status") if isinstance(sealed, dict) else None
    if not isinstance(sealed, dict) or not isinstance(status, dict) or status.get("v") != 1:
        return None
    kind = _kind(status.get("kind"))
    media = parse(sealed.get("media"))
    if kind is None or (kind.media is not None and (media is None or media.kind is not kind.media)):
        return None
    seconds = status.get("seconds")
    return Content(
        kind,
        text[:LONGEST_TEXT],
        color_of(status.get("color")),
        seconds if type(seconds) is int and 0 < seconds <= DAY else DAY,
        status.get("forward") is True,
        media if kind.media is not None else None,
    )


def color_of(value: object) -> str:
    """A colour ``#rrggbb``; empty if it is none."""
    value = value.lower() if isinstance(value, str) and len(value) == 7 else ""
    return value if _COLOR.fullmatch(value) else ""


def quote_json(quote: StatusQuote) -> dict[str, Any]:
    """The members of what a message seals that answers a status."""
    about = {"author": quote.author, "id": quote.id, "kind": quote.kind.value}
    texts = {"text": quote.text[:_LONGEST_QUOTE], "color": quote.color}
    about |= {name: text for name, text in texts.items() if text}
    if 0 < len(quote.thumbnail) <= _MOST_THUMBNAIL:
        about["thumbnail"] = base64.b64encode(quote.thumbnail).decode()
    return {"about": about} | ({"reaction": True} if quote.reaction else {})


def quote_of(sealed: Mapping[str, Any]) -> StatusQuote | None:
    """The status that a message answers; None if it answers none."""
    about = sealed.get("about")
    if not isinstance(about, dict):
        return None
    author, id, kind = about.get("author"), about.get("id"), _kind(about.get("kind"))
    if not isinstance(author, str) or not isinstance(id, str) or kind is None:
        return None
    if not 0 < len(author) <= _LONGEST_JID or not 0 < len(id) <= _LONGEST_ID:
        return None
    text = about.get("text")
    return StatusQuote(
        author,
        id,
        kind,
        text[:_LONGEST_QUOTE] if isinstance(text, str) else "",
        color_of(about.get("color")),
        _thumbnail(about.get("thumbnail")),
        sealed.get("reaction") is True,
    )


def _kind(value: object) -> StatusKind | None:
    try:
        return StatusKind(value)
    except ValueError:
        return None


def _thumbnail(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * _MOST_THUMBNAIL:
        return b""
    try:
        found = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if len(found) <= _MOST_THUMBNAIL else b""
