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
    """A stanza that is not kept: an iq, or a message such as a typing notification.

    The answer is empty.
    """

    stanza: bytes


class Notice(msgspec.Struct, tag="notice", array_like=True, frozen=True):
    """Presence or an event, which may get lost.

    ``node``: names the sending node since its start; ``number``: 1 for the first notice that it has sent to
    this slot. ``owner``: names the ownership of the slot that the stanza is from, as in `Owner`; empty if it
    is from no account.
    """

    node: bytes
    number: int
    owner: bytes
    stanza: bytes


class Probe(msgspec.Struct, tag="probe", array_like=True, frozen=True):
    """A probe (RFC 6121 §4.3). The answer is an `Owner`.

    ``again``: the viewer may have missed presence or events, so what it has seen is taken back first.
    """

    stanza: bytes
    again: bool


class Check(msgspec.Struct, tag="check", array_like=True, frozen=True):
    """Asks the owner of a slot to find out whether it has all notices of ``node`` up to ``number``.

    ``slots``: those of the sending node, as bits: if something is missing, the presence of contacts in them
    is probed. The answer is an `Owner`.
    """

    node: bytes
    number: int
    slots: bytes


class Owner(msgspec.Struct, tag="owner", array_like=True, frozen=True):
    """An answer that names the ownership of a slot: a node that loses and gains it again has another name."""

    name: bytes


class Moved(msgspec.Struct, tag="moved", array_like=True, frozen=True):
    """A notice that slots have a new owner, each with the name of its ownership.

    A node receives it once for every slot that it owns.
    """

    slots: list[tuple[int, bytes]]


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


Request = Messages | Other | Notice | Probe | Check | Moved
_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_results: msgspec.msgpack.Decoder[Result] = msgspec.msgpack.Decoder(Result)
_owners: msgspec.msgpack.Decoder[Owner] = msgspec.msgpack.Decoder(Owner)


def encode(value: Request | Result | Owner) -> bytes:
    """Encodes a request, a notice or an answer."""
    return VERSION + _encoder.encode(value)


def request(data: bytes) -> Request:
    """Decodes a request or notice. Raises ValueError if it is invalid or of another version."""
    return _requests.decode(_body(data))


def result(data: bytes) -> Result:
    """Decodes a `Result`. Raises ValueError if it is invalid or of another version."""
    return _results.decode(_body(data))


def owner(data: bytes) -> Owner:
    """Decodes an `Owner`. Raises ValueError if it is invalid or of another version."""
    return _owners.decode(_body(data))


def _body(data: bytes) -> memoryview:
    if data[:1] != VERSION:
        raise ValueError("another version")
    return memoryview(data)[1:]
