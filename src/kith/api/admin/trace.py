"""``/api/admin/people/{address}/messages``: what became of messages, without their content."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.admin.exclusions import Exclusions
from kith.admin.targets import peer_address
from kith.admin.trace import LiveTraces, TracedMessage, Traces
from kith.api.admin.types import ADDRESS
from kith.api.endpoint import Call, endpoint
from kith.api.types import moment, whole
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.ids import to_text
from kith.base.rates import RateLimit
from kith.core.sessions.tracing import TraceEvent as StoredEvent
from kith.core.sessions.tracing import Tracing
from kith.records.audit import Audit

_HOUR = 3600.0
_PATH = "/api/admin/people/{address}"
_PARAMETERS: dict[str, Any] = {
    **ADDRESS,
    "peer": {
        "type": "string",
        "pattern": whole(r"[\s\S]{0,3100}"),
        "description": "Only messages with this bare address; of this server, a name is enough.",
    },
    "id": {
        "type": "string",
        "pattern": whole(r"[\s\S]{0,1024}"),
        "description": "Only the message with this id: the sender's, or that of the archive.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20},
}


class Receiver(msgspec.Struct):
    """A device that was sent a message, as far as the server remembers."""

    resource: str
    device: Annotated[str, Meta(description="The id of the device, if it has one.")]
    name: str
    state: Literal["handed", "acknowledged"]


class Message(msgspec.Struct):
    """A message, without its content."""

    id: Annotated[str, Meta(description="Its id in the archive; empty if no log has it any more.")]
    message_id: Annotated[str, Meta(description="The id that its sender has given it.")]
    time: Annotated[
        str, Meta(description="When it was accepted and stored; of `bounced`, when it came back.")
    ]
    peer: str
    direction: Literal["in", "out"]
    type: Annotated[str, Meta(description="RFC 6121 §5.2.2: chat, normal, groupchat, headline or error.")]
    what: Literal["text", "encrypted", "receipt", "marker", "error", "other"]
    bytes: int
    state: Annotated[
        Literal["delivered", "handed", "waiting", "outgoing", "sent", "gone", "bounced", "group"],
        Meta(
            description="`delivered`: a device of the recipient has acknowledged it. `handed`: it was sent to"
            " a device that has not acknowledged it yet. `waiting`: no device was there. `outgoing`: it waits"
            " for another server. `sent`: the other server has it. `gone`: the recipient's log does not have"
            " it any more, since it was delivered, or deleted. `bounced`: it came back to its sender."
            " `group`: it is in the archive of a group, from which the person's devices read it."
        ),
    ]
    devices: list[Receiver]
    error: Annotated[str, Meta(description="Why it came back: the condition, and perhaps a text.")]

    @classmethod
    def of(cls, one: TracedMessage) -> Message:
        devices = [
            Receiver(
                device.resource,
                device.device,
                device.name,
                "handed" if device.state == "handed" else "acknowledged",
            )
            for device in one.devices
        ]
        return cls(
            one.id,
            one.message,
            moment(one.at),
            one.peer,
            "in" if one.incoming else "out",
            one.type,
            one.what,
            one.size,
            one.state,
            devices,
            one.error,
        )


class Event(msgspec.Struct):
    """Something that a session of a traced account did with a message."""

    at: str
    what: Annotated[
        Literal["received", "refused", "handed", "acknowledged"],
        Meta(
            description="`received`: a device has sent it to the server. `refused`: it got an error."
            " `handed`: it was sent to a device, which has `acknowledged` it."
        ),
    ]
    resource: str
    device: str
    message_id: str
    id: Annotated[str, Meta(description="Its id in the archive, if it is known.")]
    peer: str
    error: str

    @classmethod
    def of(cls, one: StoredEvent) -> Event:
        id = to_text(one.id) if one.id else ""
        return cls(moment(one.at), one.what, one.resource, one.device, one.message, id, one.peer, one.error)


class Trace(msgspec.Struct):
    """The last messages, the newest first, and what the account's sessions did, if it is traced."""

    address: str
    tracing_until: Annotated[str, Meta(description="Empty if the account is not traced.")]
    messages: list[Message]
    events: Annotated[list[Event], Meta(description="The oldest first; at most 1000, since tracing began.")]


class TracingRequest(msgspec.Struct, forbid_unknown_fields=True):
    """For how long to trace."""

    hours: Annotated[float, Meta(gt=0, le=72)] = 24.0


class TracingState(msgspec.Struct):
    """When the tracing ends."""

    until: str


class TraceResource:
    """The endpoints. Looking at somebody's messages is noted in the audit log, too, once an hour."""

    def __init__(
        self,
        domain: Domain,
        exclusions: Exclusions,
        traces: Traces,
        live: LiveTraces,
        tracing: Tracing,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._looked = RateLimit(1, _HOUR)
        self._one = asyncio.Lock()  # reading a long log must not keep all readers of the store busy
        self._domain = domain
        self._exclusions = exclusions
        self._traces = traces
        self._live = live
        self._tracing = tracing
        self._audit = audit

    @endpoint(
        "GET",
        f"{_PATH}/messages",
        "What became of messages",
        refusals=("not-found",),
        parameters=_PARAMETERS,
    )
    async def get(self, call: Call) -> Trace:
        """Shows when messages were stored, whether a device has acknowledged them, and which wait or came
        back; never what they say.
        """
        record = await self._exclusions.account(call.path["address"])
        peer, id = self._peer(call.query.get("peer", "")), call.query.get("id", "")
        async with self._one:
            found = await self._traces.of(
                record, self._live.ask, peer, id, int(call.query.get("limit", "20"))
            )
        if self._looked.take((call.actor, record.jid), self._clock.steady()):
            await self._audit.note(call.actor, "trace", record.jid)
        messages = [Message.of(one) for one in found.messages]
        events = [Event.of(one) for one in found.events]
        return Trace(record.jid, moment(found.until), messages, events)

    @endpoint(
        "PUT",
        f"{_PATH}/tracing",
        "Trace an account",
        refusals=("not-found", "conflict"),
        parameters=ADDRESS,
    )
    async def start(self, call: Call, request: TracingRequest) -> TracingState:
        """From now on, the server also notes each step of the account's messages, in memory."""
        record = await self._exclusions.account(call.path["address"])
        try:
            until = self._tracing.start(record.jid, request.hours)
        except OverflowError as error:
            raise Refused("conflict", f"{error}.") from None
        await self._audit.note(call.actor, "trace.start", record.jid, f"{request.hours:g} hours")
        return TracingState(moment(until))

    @endpoint(
        "DELETE",
        f"{_PATH}/tracing",
        "Stop tracing an account",
        status=204,
        refusals=("not-found",),
        parameters=ADDRESS,
    )
    async def stop(self, call: Call) -> None:
        """Also forgets what was noted."""
        record = await self._exclusions.account(call.path["address"])
        if not self._tracing.stop(record.jid):
            raise Refused("not-found", "The account is not traced.")
        await self._audit.note(call.actor, "trace.stop", record.jid)

    def _peer(self, text: str) -> str:
        try:
            return peer_address(self._domain.name, text)
        except ValueError:
            raise Refused("bad-request", "The peer is not an address.") from None
