"""What can be said in a stanza at all: characters that XML has, and no more bytes than the server takes.

A server ends the stream at a stanza that breaks these rules, and every message behind it would wait for
ever. So the rules are kept here, before anything is stored or sent.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from kith.client.errors import BadCharacters, TooLarge

#: What servers take that do not say (XEP-0478): the default of Prosody and ejabberd.
USUAL_BYTES = 256 * 1024
#: Every server takes so much (RFC 6120 §13.12).
LEAST_BYTES = 10_000
#: Room for all of a message but its text: addresses, ids, and an encrypted key for each of many devices.
_ENVELOPE = 2_000
_KEYS = 14_000

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2, Char

#: Stream errors (RFC 6120 §4.9.3) that say nothing of what the client had sent.
_NOBODYS_FAULT = frozenset(
    {
        *("conflict", "connection-timeout", "host-gone", "host-unknown", "internal-server-error"),
        *("not-authorized", "remote-connection-failed", "reset", "resource-constraint", "see-other-host"),
        *("system-shutdown", "unsupported-version"),
    }
)


def blames_a_stanza(condition: str) -> bool:
    """Whether a stream error may be about a stanza that was sent, and would come again with it."""
    return condition not in _NOBODYS_FAULT


def check_characters(text: str) -> None:
    """Raises BadCharacters."""
    found = _NO_XML.search(text)
    if found is not None:
        raise BadCharacters(
            f"A message can't have the character U+{ord(found.group()):04X} (at place {found.start()}): "
            "XML has no such character. Nothing was sent."
        )


def check(stanza: str, most: int) -> None:
    """A whole stanza, serialised. Raises BadCharacters, TooLarge."""
    check_characters(stanza)
    size = len(stanza.encode())
    if size > most:
        raise TooLarge(f"That has {size} bytes, and the server takes no more than {most}. Nothing was sent.")


def check_text(text: str, encrypted: bool, most: int) -> None:
    """What a person or a bot wants to send. Raises BadCharacters, TooLarge."""
    check_characters(text)
    room = largest_text(encrypted, most)
    size = len(text.encode() if encrypted else escape(text).encode())
    if size > room:
        raise TooLarge(
            f"This message has {size} bytes, and no more than {room} can be sent to this server at once. "
            "Nothing was sent. Send it in parts."
        )


def largest_text(encrypted: bool, most: int) -> int:
    """Bytes of text that fit into a stanza of ``most`` bytes."""
    if not encrypted:
        return most - _ENVELOPE
    return max((most - _ENVELOPE - min(_KEYS, most // 4)) * 3 // 4, 0)  # base64
