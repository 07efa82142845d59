"""Servers of group calls: tables of the setting ``sfus``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from kith.config.errors import wrong

if TYPE_CHECKING:
    from kith.config.settings import Config

#: The shortest secret that LiveKit takes without a warning.
_SECRET = 32


class SFUSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A LiveKit server.

    ``url``: where apps reach it, as ``wss://calls.example.org``. ``key`` and ``secret``: as in its setting
    ``keys``. ``api_url``: where Kith reaches it, if that is another address, as ``http://127.0.0.1:7880``.
    ``prefixes``: calls that people begin whose phone numbers begin so, like +49, are held there if possible.
    """

    url: str
    key: str
    secret: str
    api_url: str = ""
    prefixes: list[str] = []


def check_sfus(config: Config, places: Mapping[str, str]) -> None:
    """Checks the setting ``sfus``. Raises ConfigError."""
    for index, sfu in enumerate(config.sfus):
        if reason := _problem(sfu):
            raise wrong(f"sfus[{index}]", places["sfus"], reason)


def _problem(sfu: SFUSettings) -> str:
    """What is wrong; empty if nothing is."""
    for url, schemes in ((sfu.url, ("wss", "ws")), (sfu.api_url or "http://x", ("https", "http"))):
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
            return f"{url!r} is not like {schemes[0]}://calls.example.org"
    if not sfu.key or len(sfu.secret) < _SECRET:
        return f"it needs a key, and a secret of at least {_SECRET} characters, as the SFU has them"
    for prefix in sfu.prefixes:
        if not (prefix[:1] == "+" and prefix[1:].isascii() and prefix[1:].isdecimal()):
            return f"{prefix!r} is not the beginning of a phone number, like +49"
    return ""
