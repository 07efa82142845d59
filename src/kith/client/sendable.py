"""Checks whether a stanza can be sent: only characters that XML allows, and not too many bytes.

A server ends the stream if a stanza breaks these rules, and all messages behind it would wait for ever. So
they are checked before anything is stored or sent.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from kith.client.errors import BadCharacters, TooLarge

#: The limit to assume of servers that announce none (XEP-0478): the default of Prosody and ejabberd.
USUAL_BYTES = 256 * 1024
#: The limit of every server is at least this (RFC 6120 §13.12).
LEAST_BYTES = 10_000
#: Bytes to reserve for everything in a message but its text: addresses and ids, and the encrypted keys.
_ENVELOPE = 2_000
_KEYS = 14_000

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2, Char

#: Stream errors (RFC 6120 §4.9.3) that are not about anything that the client sent.
_NOT_OUR_FAULT = frozenset(
    {
        *("conflict", "connection-timeout", "host-gone", "host-unknown", "internal-server-error"),
        *("not-authorized", "remote-connection-failed", "reset", "resource-constraint", "see-other-host"),
        *("system-shutdown", "unsupported-version"),
    }
)


def blames_a_stanza(condition: str) -> bool:
    """Whether a stream error may be about a stanza that was sent, so that sending it again repeats it."""
    return condition not in _NOT_OUR_FAULT


def check_characters(text: str) -> None:
    """Checks that XML allows all characters of a text (XML 1.0 §2.2). Raises BadCharacters."""
    found = _NO_XML.search(text)
    if found is not None:
        raise BadCharacters(
            f"A message can't contain the character U+{ord(found.group()):04X} (position {found.start()}), "
            "which XML does not allow. Nothing was sent."
        )


def check(stanza: str, max_bytes: int) -> None:
    """Checks a serialized stanza. Raises BadCharacters, TooLarge."""
    check_characters(stanza)
    size = len(stanza.encode())
    if size > max_bytes:
        raise TooLarge(f"That has {size} bytes; the server accepts {max_bytes} at most. Nothing was sent.")


def check_text(text: str, encrypted: bool, max_bytes: int) -> None:
    """Checks the text of a message for a server that accepts ``max_bytes``.

    Raises BadCharacters, TooLarge.
    """
    check_characters(text)
    room = largest_text(encrypted, max_bytes)
    size = len(text.encode() if encrypted else escape(text).encode())
    if size > room:
        raise TooLarge(
            f"This message has {size} bytes; {room} at most can be sent to this server at once. "
            "Nothing was sent. Send it in parts."
        )


def largest_text(encrypted: bool, max_bytes: int) -> int:
    """How many bytes of text fit into a stanza of ``max_bytes`` bytes."""
    if not encrypted:
        return max_bytes - _ENVELOPE
    return max((max_bytes - _ENVELOPE - min(_KEYS, max_bytes // 4)) * 3 // 4, 0)  # base64
