"""XEP-0220: Server Dialback. Keys are derived as in XEP-0185, so that none has to be stored."""

from __future__ import annotations

import hashlib
import hmac

from kith.wire import ns
from kith.wire.serialize import escape_attribute, escape_text

RESULT = ns.tag(ns.DIALBACK, "result")
VERIFY = ns.tag(ns.DIALBACK, "verify")


class Keys:
    """Derives and checks the dialback keys of this server. ``secret``: at least 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(secret).hexdigest().encode()

    def make(self, receiving: str, originating: str, stream: str) -> str:
        """The key that ``originating`` sends to ``receiving`` on the stream with an id (XEP-0185 §3)."""
        text = f"{receiving} {originating} {stream}".encode()
        return hmac.digest(self._secret, text, "sha256").hex()

    def fits(self, key: str, receiving: str, originating: str, stream: str) -> bool:
        made = self.make(receiving, originating, stream)
        return hmac.compare_digest(made.encode(), key.strip().encode())


def element(name: str, attrs: dict[str, str], text: str = "", error: str = "") -> bytes:
    """``<db:result/>`` or ``<db:verify/>``. ``error``: the condition of a stanza error (§2.4)."""
    inside = escape_text(text)
    if error:
        inside = f"<error type='cancel'><{error} xmlns='{ns.STANZA_ERRORS}'/></error>"
    head = "".join(f" {key}='{escape_attribute(value)}'" for key, value in attrs.items())
    return f"<db:{name}{head}>{inside}</db:{name}>".encode()
