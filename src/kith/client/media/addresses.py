"""``aesgcm:`` addresses (XEP-0454): where an encrypted file is, with its key in the fragment."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from kith.client.media.limits import IV_BYTES, KEY_BYTES
from kith.client.media.names import kind_of, type_of
from kith.client.media.values import Media, MediaKind

_AESGCM = re.compile(r"aesgcm://(?P<rest>[!-~]{1,2048})#(?P<secret>[0-9A-Fa-f]{88}|[0-9A-Fa-f]{96})\Z")
_PLAIN = re.compile(r"https?://[!-~]{1,2048}\Z")


def aesgcm(url: str, key: bytes, iv: bytes) -> str:
    """The address that other apps understand."""
    return f"aesgcm://{url.partition('://')[2]}#{iv.hex()}{key.hex()}"


def parse_aesgcm(text: str) -> Media | None:
    """The file that a text means, if it is one such address and nothing else.

    Some apps have an iv of 16 bytes. Conversations adds a thumbnail in further lines, which are ignored.
    """
    found = _AESGCM.match(text.strip().partition("\n")[0].rstrip())
    if found is None:
        return None
    secret = bytes.fromhex(found["secret"])
    media = _file(f"https://{found['rest']}")
    if media is None:
        return None
    return _with_keys(media, secret[-KEY_BYTES:], secret[:-KEY_BYTES])


def _with_keys(media: Media, key: bytes, iv: bytes) -> Media:
    assert len(iv) in (IV_BYTES, 16)
    return Media(media.kind, media.name, media.type, url=media.url, key=key, iv=iv)


def parse_plain(url: str) -> Media | None:
    """The file, which is not encrypted, at an address of XEP-0066."""
    return _file(url) if _PLAIN.match(url) else None


def _file(url: str) -> Media | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises ValueError if it is none
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        return None
    name = unquote(parts.path.rpartition("/")[2], errors="replace")[:255]
    type = type_of(name)
    kind = kind_of(type)
    return Media(MediaKind.VOICE if _is_voice(name) else kind, name, type, url=url)


def _is_voice(name: str) -> bool:
    """Other apps record voice messages as Ogg or M4A, and do not say so; this is only how it is shown."""
    return name.lower().endswith((".opus", ".oga"))
