"""What nodes say to each other over the bus, as bytes: a version, then MessagePack (docs/protocol.md).

Each of these is an array whose first element is its tag. Stanzas are XML in UTF-8, with ``from`` and ``to``.
"""

from __future__ import annotations

import msgspec

from kith.ports.bus import VERSION


class Message(msgspec.Struct, array_like=True, frozen=True):
    """A stanza that must not be lost. ``key`` is the same whenever it is sent, and no other's."""

    key: bytes
    stanza: bytes


class Messages(msgspec.Struct, tag="messages", array_like=True, frozen=True):
    """Stanzas from one account to one other, in order: messages that are to be kept, and requests for
    subscriptions. The answer is a `Result`.
    """

    messages: list[Message]


class Other(msgspec.Struct, tag="other", array_like=True, frozen=True):
    """A stanza that is not kept: an iq, presence, or a message such as typing. The answer is empty."""

    stanza: bytes


class Moved(msgspec.Struct, tag="moved", array_like=True, frozen=True):
    """Slots have a new owner: sessions of accounts in them are gone, so contacts are asked for anew.

    ``event`` is a name for the notice, since each node gets it once for every slot that it owns.
    """

    event: bytes
    slots: list[int]


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """The message at this place in the request was refused; ``error`` is the stanza that says why."""

    place: int
    error: bytes


class Result(msgspec.Struct, tag="result", array_like=True, frozen=True):
    """All messages of a request are durable, but for those that were refused, or dropped without a word."""

    refused: list[Refusal]


Request = Messages | Other | Moved
_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_results: msgspec.msgpack.Decoder[Result] = msgspec.msgpack.Decoder(Result)


def encode(value: Request | Result) -> bytes:
    """The bytes of a request, a notice or an answer."""
    return VERSION + _encoder.encode(value)


def request(data: bytes) -> Request:
    """Raises ValueError for what is of another version, or none of these."""
    return _requests.decode(_body(data))


def result(data: bytes) -> Result:
    """Raises ValueError for what is of another version, or no `Result`."""
    return _results.decode(_body(data))


def _body(data: bytes) -> memoryview:
    if data[:1] != VERSION:
        raise ValueError("another version")
    return memoryview(data)[1:]
