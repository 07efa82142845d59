"""``/api/group-calls``: joining the call of a group."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.api.endpoint import Call, endpoint
from kith.calls.group_calls import TOKEN_SECONDS, GroupCalls, Refusal
from kith.wire.jid import parse_jid

_ABOUT = "The address of the group, like tea@groups.example.org."
_GROUP = {"group": {"type": "string", "maxLength": 512, "description": _ABOUT}}


class JoinGroupCall(msgspec.Struct, forbid_unknown_fields=True):
    """The call of which group to join, or to begin."""

    group: Annotated[str, Meta(max_length=3071, description=_ABOUT)]


class JoinedGroupCall(msgspec.Struct):
    """What to join with."""

    id: Annotated[str, Meta(description="The call. One that begins after it has another id.")]
    created: Annotated[bool, Meta(description="Whether the call begins with this; the app then invites.")]
    began: Annotated[float, Meta(description="When it began, in seconds since 1970.")]
    url: Annotated[str, Meta(description="Where the SFU is reached (a LiveKit server, wss:).")]
    token: Annotated[str, Meta(description="What lets this device join.")]
    identity: Annotated[
        str, Meta(description="What the device is called in this call; the other devices learn it from it.")
    ]
    expires_in: Annotated[int, Meta(description="Seconds in which to join.")]


class OngoingGroupCall(msgspec.Struct):
    """A call that goes on."""

    id: str
    began: float


class GroupCallsResource:
    """The endpoints, for members of the group."""

    def __init__(self, calls: GroupCalls) -> None:
        self._calls = calls

    @endpoint(
        "POST",
        "/api/group-calls",
        "Join the call of a group",
        refusals=("not-found", "too-many", "unavailable"),
    )
    async def join(self, call: Call, request: JoinGroupCall) -> JoinedGroupCall:
        """Begins the call if there is none. To be repeated if the connection to the SFU is lost."""
        try:
            group = parse_jid(request.group).bare
            ticket = await self._calls.join(group, call.device.record.jid)
        except ValueError:
            raise Refused("not-found", "That is not the address of a group.") from None
        except Refusal as error:
            raise Refused(error.reason, str(error), error.wait) from None
        ongoing = ticket.call
        return JoinedGroupCall(
            ongoing.id,
            ticket.created,
            ongoing.began,
            ongoing.url,
            ticket.token,
            ticket.identity,
            TOKEN_SECONDS,
        )

    @endpoint(
        "GET",
        "/api/group-calls/{group}",
        "See whether a group has a call",
        refusals=("not-found", "unavailable"),
        parameters=_GROUP,
    )
    async def get(self, call: Call) -> OngoingGroupCall:
        try:
            group = parse_jid(call.path["group"]).bare
            found = await self._calls.find(group, call.device.record.jid)
        except ValueError:
            raise Refused("not-found", "That is not the address of a group.") from None
        except Refusal as error:
            raise Refused(error.reason, str(error), error.wait) from None
        if found is None:
            raise Refused("not-found", "The group has no call.")
        return OngoingGroupCall(found.id, found.began)
