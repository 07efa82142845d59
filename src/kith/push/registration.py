"""What is stored of a device that wants to be woken: how, and how far it is.

Both are documents of its account: one that changes when the device says so, and one that changes with
messages.
"""

from __future__ import annotations

import hashlib

import msgspec

#: The spaces of documents. The keys are ids of registrations.
SPACE, MARKS = "push", "push-marks"
#: How many registrations an account may have.
MOST = 40


class Registration(msgspec.Struct, omit_defaults=True):
    """A device that wants to be woken.

    ``carrier``: which of the ways leads to it (`kith.push.carrier`). ``service`` and ``node``: where, in
    that carrier's terms. ``device``: its id (`kith.records.device`), empty if its client has none; then
    ``resource`` is the resource that it has bound. ``form``: what the service wants to get back (XEP-0357
    publish-options), as pairs. ``key`` and ``auth``: those of a subscription of Web Push;
    ``generation``: that of the server's key that it was made with. ``made``: a time in seconds since 1970.
    """

    carrier: str
    service: str
    node: str = ""
    device: str = ""
    resource: str = ""
    form: list[tuple[str, str]] = []
    key: bytes = b""
    auth: bytes = b""
    generation: int = 0
    made: float = 0.0

    @property
    def id(self) -> str:
        """The key of its documents. A service and a node have one registration."""
        return registration_id(self.carrier, self.service, self.node)


def registration_id(carrier: str, service: str, node: str) -> str:
    return hashlib.sha256(f"{carrier}\0{service}\0{node}".encode()).hexdigest()[:32]


class Marks(msgspec.Struct, omit_defaults=True):
    """How far a device is.

    Messages up to the log id ``settled`` need nothing more: the device has them, or they were read. Up to
    ``pushed`` it was woken. ``at``: when it was woken last. ``tries``: how often since it was here.
    ``failures``: how often the service has refused a push in a row. ``again``: when to try again, if it is
    not known whether the last push has left the server, or it was refused for now; else 0. Times are in
    seconds since 1970.
    """

    settled: int = 0
    pushed: int = 0
    at: float = 0.0
    tries: int = 0
    failures: int = 0
    again: float = 0.0


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Registration).decode
decode_marks = msgspec.msgpack.Decoder(Marks).decode
