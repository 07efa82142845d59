"""The requests, notices and answers of nodes on the bus: a version byte, then MessagePack (docs/protocol.md).

Each is an array whose first element is its tag. Stanzas are XML in UTF-8, with ``from`` and ``to``.
"""

from __future__ import annotations

import msgspec

from kith.ports.bus import VERSION


class Message(msgspec.Struct, array_like=True, frozen=True):
    """A stanza that must not be lost. ``key`` is unique to it, and the same each time it is sent."""

    key: bytes
    stanza: bytes


class Messages(msgspec.Struct, tag="messages", array_like=True, frozen=True):
    """Messages to be kept and subscription requests from one account to one other, in order.

    The answer is a `Result`.
    """

    messages: list[Message]


class Other(msgspec.Struct, tag="other", array_like=True, frozen=True):
    """A stanza that is not kept: an iq, presence, or a message such as a typing notification.

    The answer is empty.
    """

    stanza: bytes


class Moved(msgspec.Struct, tag="moved", array_like=True, frozen=True):
    """A notice that slots have a new owner: the sessions in them are gone, and presence is probed again.

    ``event`` identifies the notice, because a node receives it once for every slot that it owns.
    """

    event: bytes
    slots: list[int]


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """The message at index ``place`` of the request was refused. ``error`` is the error stanza."""

    place: int
    error: bytes


class Result(msgspec.Struct, tag="result", array_like=True, frozen=True):
    """The answer to `Messages`: the first ``count`` are durable, but for those refused or dropped on purpose.

    The others have to be sent again.
    """

    refused: list[Refusal]
    count: int


Request = Messages | Other | Moved
_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_results: msgspec.msgpack.Decoder[Result] = msgspec.msgpack.Decoder(Result)


def encode(value: Request | Result) -> bytes:
    """Encodes a request, a notice or an answer."""
    return VERSION + _encoder.encode(value)


def request(data: bytes) -> Request:
    """Decodes a request or notice. Raises ValueError if it is invalid or of another version."""
    return _requests.decode(_body(data))


def result(data: bytes) -> Result:
    """Decodes a `Result`. Raises ValueError if it is invalid or of another version."""
    return _results.decode(_body(data))


def _body(data: bytes) -> memoryview:
    if data[:1] != VERSION:
        raise ValueError("another version")
    return memoryview(data)[1:]
