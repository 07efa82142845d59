"""What a file is called in words, and what other apps are sent for it."""

from __future__ import annotations

from kith.client.media import cards
from kith.client.media.addresses import aesgcm
from kith.client.media.limits import IV_BYTES
from kith.client.media.names import size_text, words
from kith.client.media.values import Media, MediaKind
from kith.terminal import one_line


def title(media: Media) -> str:
    """A file in one line, safe to print: its kind, name, size and length."""
    if media.kind is MediaKind.CONTACT:
        return f"Contact: {one_line(cards.name_of(media.card), 60)}"
    if media.kind is MediaKind.LOCATION and media.place is not None:
        return f"Location: {one_line(media.place.name, 60) or media.place.uri}"
    named = media.kind in (MediaKind.FILE, MediaKind.AUDIO)
    parts = [words(media.kind), one_line(media.name, 60) if named else "", length_text(media)]
    size = size_text(media.size)
    return " ".join(part for part in parts if part) + (f" ({size})" if size else "")


def length_text(media: Media) -> str:
    """How long a sound or video is, like ``1:05``; empty if that is not known."""
    if media.duration is None:
        return ""
    seconds = round(media.duration / 1000)
    hours, rest = divmod(seconds, 3600)
    minutes = f"{rest // 60:02d}" if hours else str(rest // 60)
    return (f"{hours}:" if hours else "") + f"{minutes}:{rest % 60:02d}"


def wire_text(media: Media) -> str:
    """The text of the message, for apps that do not know descriptors."""
    if media.kind is MediaKind.CONTACT:
        return cards.text_of(media.card)
    if media.kind is MediaKind.LOCATION and media.place is not None:
        return media.place.uri
    if media.url and media.key and len(media.iv) in (IV_BYTES, 16):
        return aesgcm(media.url, media.key, media.iv)
    if media.url:
        return media.url
    return f"{title(media)}: this app can't show files of this kind. Open it in Kith."
