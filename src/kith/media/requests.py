"""What message servers ask of a media server about slots, claims and quotas, and the answers.

Requests may arrive twice: each has the same effect then as once.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Message(msgspec.Struct, frozen=True, tag=True, tag_field="kind"):
    """A request or an answer; ``kind`` says which when it is sent elsewhere."""


class Reserve(Message, frozen=True):
    """An account wants to upload a blob. The fields are those of `kith.media.slots.Slot`.

    ``address``: the account's address, for operators. ``lasting``: the claim never ends.
    """

    owner: str
    address: str
    blob: str
    size: int
    type: str
    claim: bytes = b""
    until: int | None = None
    lasting: bool = False


class Claim(msgspec.Struct, frozen=True):
    """A claim to make: ``secret`` shows that its maker knows the key of the file."""

    blob: str
    secret: bytes
    until: int | None = None


class MakeClaims(Message, frozen=True):
    """An account claims blobs: all of them, or none if one is impossible."""

    owner: str
    address: str
    claims: list[Claim]


class Release(Message, frozen=True):
    """An account gives up its claims to blobs: all of them, or none if it has no claim to one."""

    owner: str
    blobs: list[str]


class GetUsage(Message, frozen=True):
    """Asks how much an account uses."""

    owner: str


class GetOwners(Message, frozen=True):
    """Asks for the accounts that have claims or uploads, a page at a time: those after ``after``."""

    after: str = ""


class Rename(Message, frozen=True):
    """An account has another address."""

    owner: str
    address: str


class Drop(Message, frozen=True):
    """An account does not exist any more: its claims and unfinished uploads end."""

    owner: str


Request = Reserve | MakeClaims | Release | GetUsage | GetOwners | Rename | Drop


class Usage(Message, frozen=True):
    """What an account uses, and may use, in bytes; 0 as a bound: no limit. ``today``: what it uploaded."""

    bytes: int
    most: int
    today: int
    daily: int
    file: int


class Owners(Message, frozen=True):
    """A page of owners with their addresses, in order; empty at the end."""

    owners: list[tuple[str, str]]


class Refusal(Message, frozen=True):
    """The request is refused.

    ``reason``: ``file`` (too large), ``day`` and ``account`` (quotas), ``full`` (the media server has no
    room), ``missing`` (no such blob or claim) or ``conflict`` (the id of the blob is taken). ``most``: the
    bound that is exceeded, in bytes. ``wait``: seconds after which it may work.
    """

    reason: str
    most: int = 0
    wait: int = 0


Reply = Usage | Owners | Refusal


class MediaUnreachable(Exception):
    """The media server does not answer. The text is one line for the operator."""


class Media(Protocol):
    """A media server as message servers see it: in the same process, or elsewhere."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def ask(self, request: Request) -> Reply:
        """Answers a request. What has nothing else to say returns the account's `Usage`.

        Raises MediaUnreachable.
        """
