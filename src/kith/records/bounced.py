"""The last messages of an account that came back after they had been acknowledged.

They leave its log, so without this, nobody could say later what became of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kith.ports.store import Document
from kith.records.readable import readable

SPACE = "bounced"
#: How many are kept for each account.
KEPT = 64
_MAX_TEXT = 300


class Bounced(msgspec.Struct, array_like=True):
    """A message that came back. ``id``: that of the error in the log, which contains the time.

    ``message``: the id that the sender has given to the message. ``peer``: the bare address that it was for.
    ``error``: the condition, and perhaps a text.
    """

    id: int
    message: str
    peer: str
    error: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Bounced).decode


def document(bounced: Bounced) -> tuple[str, bytes]:
    """The key and the value of a document. Keys repeat, so that a new one replaces an old one."""
    bounced.message, bounced.error = bounced.message[:_MAX_TEXT], bounced.error[:_MAX_TEXT]
    return str(bounced.id % KEPT), _encode(bounced)


def stored(documents: Sequence[Document]) -> list[Bounced]:
    """The messages in the documents of an account's space, the last one first."""
    found = [bounced for _, bounced in readable(documents, _decode, "bounce")]
    return sorted(found, key=lambda bounced: -bounced.id)
