"""``/api/links``: linking a new device with a QR code, without a text message."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.accounts.links import LIFETIME
from kith.accounts.links import Links as Boxes
from kith.api.endpoint import Call, endpoint
from kith.api.types import Login, NewDevice, whole

_ID = {"id": {"type": "string", "pattern": whole("[0-9a-f]{32}")}}
_WAIT = {"wait": {"type": "integer", "minimum": 0, "maximum": 25, "description": "Seconds to wait."}}
_Key = Annotated[str, Meta(pattern=whole("[A-Za-z0-9_-]{43}"), description="32 bytes in base64url.")]


_Sealed = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=32768,
        pattern=whole("([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?"),
        description="In base64url.",
    ),
]


class Link(msgspec.Struct):
    """An open mailbox."""

    id: str
    expires_in: Annotated[int, Meta(description="How long the code is valid, in seconds.")]


class NoDetails(msgspec.Struct, forbid_unknown_fields=True):
    """An empty body: the code says what the device is."""


class Sealed(msgspec.Struct):
    """What the other device has sent: encrypted with HPKE (RFC 9180) for the key in the code."""

    sealed: Annotated[str, Meta(description="In base64url; empty while nobody has approved.")]


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """Approval of a new device."""

    ticket_hash: Annotated[_Key, Meta(description="SHA-256 of the ticket that is sealed.")]
    sealed: _Sealed


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """The answer of a new device to an invitation: its own code, encrypted with HPKE for the key in the
    invitation.
    """

    sealed: _Sealed


class Entrance(msgspec.Struct, forbid_unknown_fields=True):
    """The ticket from the approval."""

    ticket: _Key
    device: NewDevice = msgspec.field(default_factory=NewDevice)


class Links:
    """The endpoints, in the order of the steps."""

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes

    @endpoint(
        "POST",
        "/api/links",
        "Begin to link a new device",
        status=201,
        open=True,
        refusals=("too-many", "unavailable"),
    )
    async def begin(self, call: Call, request: NoDetails) -> Link:
        """The new device then shows a code with this id, a public key (X25519) and a secret that it has
        made.
        """
        return Link(await self._boxes.open(call.address), int(LIFETIME))

    @endpoint(
        "POST",
        "/api/link-invitations",
        "Begin to invite a new device",
        status=201,
        refusals=("too-many", "unavailable"),
    )
    async def invite(self, call: Call, request: NoDetails) -> Link:
        """For the other direction: a logged-in device shows a code, which the new device scans."""
        return Link(await self._boxes.open(call.address, call.device.record.jid), int(LIFETIME))

    @endpoint(
        "PUT",
        "/api/links/{id}/code",
        "Answer an invitation",
        status=204,
        open=True,
        refusals=("not-found", "conflict", "too-many"),
        parameters=_ID,
    )
    async def answer(self, call: Call, request: Answer) -> None:
        """Sends the code of the new device, which the inviting device then approves as usual. Works once."""
        await self._boxes.answer(call.path["id"], call.address, decoded(request.sealed))

    @endpoint(
        "PUT",
        "/api/links/{id}",
        "Approve a new device",
        status=204,
        refusals=("not-found", "conflict"),
        parameters=_ID,
    )
    async def approve(self, call: Call, request: Approval) -> None:
        """For a logged-in device that has scanned the code."""
        ticket, sealed = decoded(request.ticket_hash), decoded(request.sealed)
        await self._boxes.approve(call.path["id"], call.device.record, ticket, sealed)

    @endpoint(
        "GET",
        "/api/links/{id}",
        "Look whether the new device was approved",
        open=True,
        refusals=("not-found",),
        parameters=_ID | _WAIT,
    )
    async def look(self, call: Call) -> Sealed:
        """Answers when something was sent, or after ``wait`` seconds."""
        wait = int(call.query.get("wait", "0"))
        return Sealed(encoded(await self._boxes.sealed(call.path["id"], wait)))

    @endpoint(
        "POST",
        "/api/links/{id}/device",
        "Come in as an approved device",
        status=201,
        open=True,
        refusals=("not-found", "forbidden", "unavailable"),
        parameters=_ID,
    )
    async def enter(self, call: Call, request: Entrance) -> Login:
        """Needs the ticket from the approval. Works once."""
        ticket = decoded(request.ticket)
        return Login.of(await self._boxes.enter(call.path["id"], ticket, request.device.about()), False)


def decoded(text: str) -> bytes:
    """The bytes of a base64url text without padding. Raises Refused."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Refused("bad-request", "not base64url") from None


def encoded(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")
