"""A device of an account with its tokens, as it is stored (`kith.records.devices`)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from kith.base.text import one_line
from kith.ports.store import Document

#: How long a token is valid, and the age at which it is replaced, in seconds.
LIFETIME = 60 * 86400
ROTATE_AFTER = 7 * 86400
#: How many former tokens of a device are kept.
_MAX_RETIRED = 4
#: The precision of the time when a device was last online, in seconds.
_PRECISION = 3600
_MAX_NAME = 100
_HANDHELD = re.compile(r"\b(android|ios|ipad|iphone|galaxy|pixel|\w*phone|tablet|mobile)\b", re.IGNORECASE)


class Token(msgspec.Struct, array_like=True):
    """A token. It is valid with one mechanism only (XEP-0484 §3.4).

    ``number``: the random number from which it is derived. ``count``: the last one that the client has sent,
    against replays of TLS early data. ``generation``: that of the server's secret (`kith.base.secret`).
    """

    number: bytes
    mechanism: str
    made: float
    count: int = 0
    generation: int = 0

    @property
    def expires(self) -> float:
        return self.made + LIFETIME


class Device(msgspec.Struct):
    """One installation of a client. ``current`` and ``new`` are its tokens (XEP-0484 §5.1).

    ``name``: what it calls itself. ``label``: the name that its owner gave it. ``credential``: the id of
    the app password that it has logged in with, if any. ``omemo``: its OMEMO device ids (XEP-0384).
    ``retired``: former tokens, the last one at the end. ``alike``: the id that a device of an app password
    would have if it had logged in without one.
    """

    id: str
    software: str = ""
    name: str = ""
    created: float = 0.0
    used: float = 0.0
    current: Token | None = None
    new: Token | None = None
    platform: str = ""
    label: str = ""
    credential: str = ""
    omemo: list[int] = []
    retired: list[Token] = []
    alike: str = ""

    @property
    def title(self) -> str:
        """What people know the device by, as far as anybody has named it: the owner first; may be empty."""
        return self.label or self.name or self.software

    def seen(self, software: str, name: str, now: float) -> None:
        """Notes that the device has logged in, and what it says about itself."""
        self.software, self.name = software or self.software, name or self.name
        if now - self.used > _PRECISION:
            self.used = now

    def promote(self, token: Token) -> None:
        """A login with a token succeeded, so an older one becomes invalid (XEP-0484 §3.5)."""
        if token is self.new:
            self.retire(self.current)
            self.current, self.new = token, None

    def retire(self, *tokens: Token | None) -> None:
        """Moves tokens to the former ones."""
        ended = [token for token in tokens if token is not None]
        self.retired = [*self.retired, *ended][-_MAX_RETIRED:]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Device).decode


class Changed(Exception):
    """A device was changed, or revoked, since it was read."""


@dataclass(slots=True)
class Entry:
    """A device with the ``seq`` and the content of the document that it was read from; 0 and empty if it
    is new.

    ``gone``: devices that were removed to make room for it, whose sessions have to be ended
    (`Revocation.forgotten`).
    """

    account: int
    device: Device
    seq: int = 0
    stored: bytes = b""
    gone: Sequence[Device] = ()

    @classmethod
    def of(cls, account: int, document: Document) -> Entry:
        return cls(account, decode(document.value), document.seq, document.value)


def agent_id(text: str) -> str:
    """A user-agent id in normal form; empty if it is not a UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def clean(text: str) -> str:
    """The name that a client gives itself, made safe to show."""
    return one_line(text[:_MAX_NAME])


def handheld(*texts: str) -> bool:
    """Whether the names of a client and its device are those of a phone or another device with a battery."""
    return _HANDHELD.search(" ".join(texts)) is not None
