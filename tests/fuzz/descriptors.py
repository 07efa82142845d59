"""What describes files in messages, as the SDK reads it: descriptors, addresses, what other apps send.

The first byte says which: ``[`` is the JSON of a descriptor, ``{`` the index of a video's stream, ``m`` a
message of another app, anything else the text of a message.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from xml.etree import ElementTree

from kith.client.errors import MediaDamaged
from kith.client.media.addresses import parse_aesgcm, parse_plain
from kith.client.media.descriptor import describe, parse, parse_stored
from kith.client.media.plain import shared
from kith.client.media.renditions import segment_lengths
from kith.client.media.values import Media

_LARGEST = 200_000


def run(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    match text[:1]:
        case "[":
            _descriptor(text)
        case "{":
            with contextlib.suppress(MediaDamaged):
                lengths = segment_lengths(data, 1000)
                assert sum(lengths) == 1000
                assert all(length > 0 for length in lengths)
        case "m":
            with contextlib.suppress(ElementTree.ParseError, ValueError):
                message = ElementTree.fromstring(text[1:])
                _expect_usable(shared(message, message.findtext("{jabber:client}body") or ""))
        case _:
            _expect_usable(parse_aesgcm(text))
            _expect_usable(parse_plain(text))


def _descriptor(text: str) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    for read in (parse, parse_stored):
        media = read(value)
        _expect_usable(media)
        if media is not None:
            # what this device writes of it says the same
            assert read(json.loads(json.dumps([describe(media)]))) == media


def _expect_usable(media: Media | None) -> None:
    """Everything in it can be stored and shown, and has a bound."""
    if media is None:
        return
    for field in fields(media):
        value = getattr(media, field.name)
        if isinstance(value, str):
            assert len(value.encode()) < _LARGEST
        elif isinstance(value, int):
            assert 0 <= value < 1 << 53
        elif isinstance(value, bytes | tuple):
            assert len(value) < _LARGEST
