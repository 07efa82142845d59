"""Files that are not encrypted on the wire: out-of-band data, stateless file sharing, SIMS.

XEP-0066, XEP-0447 with XEP-0446 and XEP-0264, and XEP-0385. All of them name an address. What they say more
is taken from the first that says it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from kith.client.media.addresses import parse_plain
from kith.client.media.names import kind_of, known_type
from kith.client.media.values import Media, MediaKind

OOB: Final = "jabber:x:oob"  # XEP-0066
SHARING: Final = "urn:xmpp:sfs:0"  # XEP-0447
METADATA: Final = "urn:xmpp:file:metadata:0"  # XEP-0446
HASHES: Final = "urn:xmpp:hashes:2"  # XEP-0300
URL_DATA: Final = "http://jabber.org/protocol/url-data"  # XEP-0103
THUMBS: Final = "urn:xmpp:thumbs:1"  # XEP-0264
REFERENCE: Final = "urn:xmpp:reference:0"  # XEP-0372
SIMS: Final = "urn:xmpp:sims:1"  # XEP-0385
_JINGLE_FILE: Final = "urn:xmpp:jingle:apps:file-transfer:5"  # XEP-0234
_MOST_NUMBER = 1 << 40


def elements(media: Media) -> list[Element]:
    """The elements beside a body that is the file's address."""
    url = media.url or ""
    oob = Element(f"{{{OOB}}}x")
    SubElement(oob, f"{{{OOB}}}url").text = url
    sharing = Element(f"{{{SHARING}}}file-sharing", disposition=_disposition(media))
    file = SubElement(sharing, f"{{{METADATA}}}file")
    texts = {
        "media-type": media.type,
        "name": media.name,
        "size": media.size,
        "width": media.width,
        "height": media.height,
        "length": media.duration,
    }
    for name, value in texts.items():
        if value is not None and value != "":
            SubElement(file, f"{{{METADATA}}}{name}").text = str(value)
    if media.digest:
        hash = SubElement(file, f"{{{HASHES}}}hash", algo="sha-256")
        hash.text = base64.b64encode(media.digest).decode()
    if media.thumbnail:
        kind = "image/webp" if media.thumbnail.startswith(b"RIFF") else "image/jpeg"
        uri = f"data:{kind};base64,{base64.b64encode(media.thumbnail).decode()}"
        SubElement(file, f"{{{THUMBS}}}thumbnail", {"uri": uri, "media-type": kind})
    sources = SubElement(sharing, f"{{{SHARING}}}sources")
    SubElement(sources, f"{{{URL_DATA}}}url-data", target=url)
    return [oob, sharing]


def _disposition(media: Media) -> str:
    return "attachment" if media.kind is MediaKind.FILE else "inline"


def shared(message: Element, body: str) -> Media | None:
    """The file of a message that is not encrypted; None if it brings none.

    An address in the body alone is a link, and no file.
    """
    for read in (_sharing, _sims):
        if (media := read(message)) is not None:
            return media
    url = message.findtext(f"{{{OOB}}}x/{{{OOB}}}url") or ""
    if not url or body.strip() not in ("", url):
        return None  # the text is more than the address, so it has to be shown
    return parse_plain(url)


def _sharing(message: Element) -> Media | None:
    sharing = message.find(f"{{{SHARING}}}file-sharing")
    if sharing is None:
        return None
    targets = sharing.iterfind(f"{{{SHARING}}}sources/{{{URL_DATA}}}url-data")
    return _described(
        sharing.find(f"{{{METADATA}}}file"), METADATA, [one.get("target", "") for one in targets]
    )


def _sims(message: Element) -> Media | None:
    sharing = message.find(f"{{{REFERENCE}}}reference/{{{SIMS}}}media-sharing")
    if sharing is None:
        return None
    sources = sharing.iterfind(f"{{{SIMS}}}sources/{{{REFERENCE}}}reference")
    return _described(
        sharing.find(f"{{{_JINGLE_FILE}}}file"), _JINGLE_FILE, [one.get("uri", "") for one in sources]
    )


def _described(file: Element | None, namespace: str, urls: list[str]) -> Media | None:
    media = next((found for url in urls[:8] if (found := parse_plain(url)) is not None), None)
    if media is None or file is None:
        return media
    type = known_type(file.findtext(f"{{{namespace}}}media-type") or media.type)

    def number(name: str) -> int | None:
        text = (file.findtext(f"{{{namespace}}}{name}") or "").strip()
        valid = text.isascii() and text.isdecimal() and len(text) < 14
        return int(text) if valid and int(text) < _MOST_NUMBER else None

    kind = kind_of(type)
    return replace(
        media,
        kind=media.kind if media.kind is MediaKind.VOICE and kind is MediaKind.AUDIO else kind,
        name=(file.findtext(f"{{{namespace}}}name") or media.name)[:255],
        type=type,
        size=number("size"),
        width=number("width"),
        height=number("height"),
        duration=number("length"),
        digest=_digest(file),
    )


def _digest(file: Element) -> bytes:
    """The SHA-256 of the file, if it is given."""
    for hash in file.iterfind(f"{{{HASHES}}}hash"):
        if hash.get("algo") == "sha-256":
            try:
                found = base64.b64decode("".join((hash.text or "").split()), validate=True)
            except (binascii.Error, ValueError):
                return b""
            return found if len(found) == 32 else b""
    return b""
