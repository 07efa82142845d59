"""Reads and writes descriptors of media: the member ``media`` of what a message has sealed (docs/media.md).

Peers may send anything. A member that has not the right form is left out; an item without a kind, or without
anything to fetch or show, is no media.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any
from urllib.parse import urlsplit

from kith.client.media.limits import FILE_BYTES, IV_BYTES, KEY_BYTES
from kith.client.media.names import known_type
from kith.client.media.values import Media, MediaKind, Place, Rendition

_LONGEST_URL, _LONGEST_NAME, _LONGEST_CAPTION = 2048, 255, 65_536
_MOST_PREVIEW, _MOST_THUMBNAIL, _MOST_CARD = 60, 8192, 8192
_MOST_STREAMS, _MOST_WAVEFORM, _LONGEST_ALBUM = 8, 64, 64
_MOST_PIXELS, _MOST_MS = 1 << 20, 1 << 40


def describe(media: Media) -> dict[str, Any]:
    """The item for the list ``media``."""
    found: dict[str, Any] = {"kind": media.kind.value}
    if media.kind.is_file:
        found |= {"type": media.type, "name": media.name}
    texts = {"url": media.url, "caption": media.caption, "album": media.album, "card": media.card}
    found |= {name: text for name, text in texts.items() if text}
    binary = {
        "key": media.key,
        "iv": media.iv,
        "digest": media.digest,
        "preview": media.preview,
        "thumbnail": media.thumbnail,
        "waveform": bytes(media.waveform),
    }
    found |= {name: base64.b64encode(value).decode() for name, value in binary.items() if value}
    for name in ("size", "width", "height", "duration"):
        if (number := getattr(media, name)) is not None:
            found[name] = number
    if media.once:
        found["once"] = True
    if media.segments is not None:
        found["segments"] = {"url": media.segments[0], "size": media.segments[1]}
    if media.streams:
        found["streams"] = [_stream_json(one) for one in media.streams]
    if media.place is not None:
        place = media.place
        found["place"] = {"latitude": place.latitude, "longitude": place.longitude}
        if place.accuracy is not None:
            found["place"]["accuracy"] = place.accuracy
        if place.name:
            found["place"]["name"] = place.name
    return found


def parse(value: object) -> Media | None:
    """The media of a list that somebody has sent; None if there are none. A message has one file."""
    media = parse_stored(value)
    return media if media is not None and _is_whole(media) else None


def parse_stored(value: object) -> Media | None:
    """The media of a list that this device has stored: perhaps not encrypted, or not uploaded yet."""
    item = value[0] if isinstance(value, list) and value else None
    if not isinstance(item, dict):
        return None
    try:
        kind = MediaKind(item.get("kind"))
    except ValueError:
        return None
    name = _text(item.get("name"), _LONGEST_NAME)
    return Media(
        kind=kind,
        name=name,
        type=known_type(item.get("type")),
        size=_number(item.get("size"), FILE_BYTES),
        url=parse_url(item.get("url")),
        key=_bytes(item.get("key"), KEY_BYTES, KEY_BYTES),
        iv=_bytes(item.get("iv"), IV_BYTES, 16),
        digest=_bytes(item.get("digest"), 32, 32),
        width=_number(item.get("width"), _MOST_PIXELS) or None,
        height=_number(item.get("height"), _MOST_PIXELS) or None,
        duration=_number(item.get("duration"), _MOST_MS),
        preview=_bytes(item.get("preview"), 1, _MOST_PREVIEW),
        thumbnail=_bytes(item.get("thumbnail"), 1, _MOST_THUMBNAIL),
        caption=_text(item.get("caption"), _LONGEST_CAPTION),
        album=_text(item.get("album"), _LONGEST_ALBUM),
        waveform=_waveform(item.get("waveform")),
        once=item.get("once") is True,
        segments=_segments(item.get("segments")),
        streams=_streams(item.get("streams")),
        card=_text(item.get("card"), _MOST_CARD),
        place=_place(item.get("place")),
    )


def _is_whole(media: Media) -> bool:
    """Whether there is anything to fetch and decrypt, or to show."""
    if media.kind is MediaKind.CONTACT:
        return bool(media.card)
    if media.kind is MediaKind.LOCATION:
        return media.place is not None
    if not media.key:
        return False
    return bool((media.url and media.iv) or media.segments or media.streams)


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        return ""
    return value.encode(errors="replace").decode()  # halves of surrogate pairs can't be stored


def _number(value: object, most: int) -> int | None:
    return value if type(value) is int and 0 <= value <= most else None


def _bytes(value: object, least: int, most: int) -> bytes:
    if not isinstance(value, str) or len(value) > most * 2 + 4:
        return b""
    try:
        found = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if least <= len(found) <= most else b""


def parse_url(value: object) -> str | None:
    """An address of a file: https, to a host, without a fragment or a password."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_URL or not value.isascii():
        return None
    if any(character <= " " or character == "\x7f" for character in value):
        return None
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  # raises ValueError if it is none
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.fragment or "@" in parts.netloc:
        return None
    return value


#: http is for servers on this machine; `kith.client.media.http` decides which are asked.
_SCHEMES = ("https", "http")


def _waveform(value: object) -> tuple[int, ...]:
    return tuple(min(level, 31) for level in _bytes(value, 1, _MOST_WAVEFORM))


def _segments(value: object) -> tuple[str, int] | None:
    if not isinstance(value, dict):
        return None
    url, size = parse_url(value.get("url")), _number(value.get("size"), FILE_BYTES)
    return None if url is None or size is None else (url, size)


def _streams(value: object) -> tuple[Rendition, ...]:
    found: dict[str, Rendition] = {}
    for one in value[:_MOST_STREAMS] if isinstance(value, list) else ():
        if isinstance(one, dict) and (stream := _stream(one)) is not None:
            found.setdefault(stream.name, stream)
    return tuple(found.values())


def _stream(value: dict[str, Any]) -> Rendition | None:
    name, url, index = _text(value.get("name"), 16), parse_url(value.get("url")), value.get("index")
    if not name or url is None or not isinstance(index, list) or len(index) != 2:
        return None
    offset, length = (_number(one, FILE_BYTES) for one in index)
    if offset is None or length is None:
        return None
    return Rendition(
        name,
        url,
        _text(value.get("type"), 100),
        offset,
        length,
        _number(value.get("width"), _MOST_PIXELS) or 0,
        _number(value.get("height"), _MOST_PIXELS) or 0,
        _number(value.get("bitrate"), 1 << 40) or 0,
    )


def _stream_json(stream: Rendition) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": stream.name,
        "url": stream.url,
        "type": stream.type,
        "index": [stream.offset, stream.length],
    }
    for name in ("width", "height", "bitrate"):
        if number := getattr(stream, name):
            found[name] = number
    return found


def _place(value: object) -> Place | None:
    if not isinstance(value, dict):
        return None
    latitude, longitude = (_degrees(value.get(name)) for name in ("latitude", "longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    accuracy = _degrees(value.get("accuracy"))
    return Place(
        latitude,
        longitude,
        accuracy if accuracy is not None and accuracy >= 0 else None,
        _text(value.get("name"), 200),
    )


def _degrees(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e9:
        return None
    return float(value) if math.isfinite(value) else None
