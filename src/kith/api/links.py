"""``/api/links``: linking a new device by QR code, without a text message (see `kith.accounts.links`)."""

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
    """An empty object. The new device describes itself in the QR code, and when it logs in."""


class Sealed(msgspec.Struct):
    """What the other device has sent, encrypted with HPKE (RFC 9180) for the public key in the code."""

    sealed: Annotated[str, Meta(description="In base64url; empty as long as nothing was sent.")]


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """Approval of a new device."""

    ticket_hash: Annotated[_Key, Meta(description="SHA-256 of the ticket that `sealed` contains.")]
    sealed: _Sealed


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """A new device's answer to an invitation: its own code, encrypted for the key in the invitation."""

    sealed: _Sealed


class Admission(msgspec.Struct, forbid_unknown_fields=True):
    """The ticket from the approval, and a description of the new device."""

    ticket: _Key
    device: NewDevice = msgspec.field(default_factory=NewDevice)


class Links:
    """The endpoints, in the order in which they are used."""

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
        """The new device then shows a QR code with this id, a public key (X25519) and a secret of its own."""
        return Link(await self._boxes.open(call.address), int(LIFETIME))

    @endpoint(
        "POST",
        "/api/link-invitations",
        "Invite a new device",
        status=201,
        refusals=("too-many", "unavailable"),
    )
    async def invite(self, call: Call, request: NoDetails) -> Link:
        """The other direction: a logged-in device shows a QR code, which the new device scans."""
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
        """Sends the new device's code, which the inviting device then approves as if it had scanned it.

        Works once.
        """
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
        """For a logged-in device that has got the new device's code."""
        ticket, sealed = decoded(request.ticket_hash), decoded(request.sealed)
        await self._boxes.approve(call.path["id"], call.device.record, ticket, sealed)

    @endpoint(
        "GET",
        "/api/links/{id}",
        "Wait for the approval, or for the answer to an invitation",
        open=True,
        refusals=("not-found",),
        parameters=_ID | _WAIT,
    )
    async def look(self, call: Call) -> Sealed:
        """Responds as soon as something was sent, but at the latest after ``wait`` seconds."""
        wait = int(call.query.get("wait", "0"))
        return Sealed(encoded(await self._boxes.sealed(call.path["id"], wait)))

    @endpoint(
        "POST",
        "/api/links/{id}/device",
        "Log in as an approved device",
        status=201,
        open=True,
        refusals=("not-found", "forbidden", "unavailable"),
        parameters=_ID,
    )
    async def enter(self, call: Call, request: Admission) -> Login:
        """Needs the ticket from the approval, and works once."""
        ticket = decoded(request.ticket)
        return Login.of(await self._boxes.enter(call.path["id"], ticket, request.device.about()), False)


def decoded(text: str) -> bytes:
    """The bytes of a base64url text without padding. Raises Refused."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Refused("bad-request", "A value is not base64url.") from None


def encoded(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")
