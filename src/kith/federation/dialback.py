"""XEP-0220: Server Dialback, with keys as XEP-0185 makes them: nothing has to be remembered."""

from __future__ import annotations

import hashlib
import hmac

from kith.wire import ns
from kith.wire.serialize import escape_attribute, escape_text

RESULT = ns.tag(ns.DIALBACK, "result")
VERIFY = ns.tag(ns.DIALBACK, "verify")


class Keys:
    """Makes and checks the keys of one server. ``secret``: 32 bytes or more."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(secret).hexdigest().encode()

    def make(self, receiving: str, originating: str, stream: str) -> str:
        """The key that ``originating`` shows to ``receiving`` on its stream (XEP-0185 §3)."""
        text = f"{receiving} {originating} {stream}".encode()
        return hmac.digest(self._secret, text, "sha256").hex()

    def fits(self, key: str, receiving: str, originating: str, stream: str) -> bool:
        made = self.make(receiving, originating, stream)
        return hmac.compare_digest(made.encode(), key.strip().encode())


def element(name: str, attrs: dict[str, str], text: str = "", error: str = "") -> bytes:
    """``<db:result/>`` or ``<db:verify/>``; ``error``: a stanza error's condition (§2.4)."""
    inside = escape_text(text)
    if error:
        inside = f"<error type='cancel'><{error} xmlns='{ns.STANZA_ERRORS}'/></error>"
    head = "".join(f" {key}='{escape_attribute(value)}'" for key, value in attrs.items())
    return f"<db:{name}{head}>{inside}</db:{name}>".encode()
