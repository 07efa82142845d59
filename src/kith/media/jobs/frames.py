"""What the server and its workers say to each other over a pipe: frames of a JSON head and a body of bytes.

A frame begins with the lengths of both, as two big-endian numbers of four bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

_LENGTHS = struct.Struct(">II")
PREFIX_BYTES = _LENGTHS.size
HEAD_BYTES = 4096
#: The largest picture that is accepted, in bytes, before and after.
BODY_BYTES = 32 * 1024 * 1024


class FrameError(Exception):
    """What has arrived is not a frame, or a larger one than is allowed."""


def pack(head: Mapping[str, object], body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    packed = json.dumps(head).encode()
    return _LENGTHS.pack(len(packed), len(body)) + packed + body


def lengths(prefix: bytes) -> tuple[int, int]:
    """The lengths of head and body, given the first `PREFIX_BYTES` of a frame. Raises FrameError."""
    if len(prefix) != PREFIX_BYTES:
        raise FrameError("a frame was cut off")
    head, body = _LENGTHS.unpack(prefix)
    if head > HEAD_BYTES or body > BODY_BYTES:
        raise FrameError("a frame is too long")
    return head, body


def unpack_head(data: bytes) -> dict[str, object]:
    """The head of a frame. Raises FrameError."""
    try:
        head = json.loads(data)
    except ValueError:
        raise FrameError("the head of a frame is not JSON") from None
    if not isinstance(head, dict):
        raise FrameError("the head of a frame is not an object")
    return head
