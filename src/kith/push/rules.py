"""The rules of waking: which messages deserve it, when a device is woken for one, and how often.

Nothing here does I/O or asks a clock. Times are seconds since 1970.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from kith.wire import ns
from kith.wire.jingle import INVITE, PROPOSE
from kith.wire.stanza import Stanza

#: How long a device is not woken for a message while somebody may be reading it on another device.
READ = 8.0
#: How long a device that has a connection may take to acknowledge a message (XEP-0198); the same while it is
#: inactive (XEP-0352), when phones freeze their apps; and for a call, which can't wait.
ANSWER, ANSWER_INACTIVE, ANSWER_CALL = 15.0, 6.0, 3.0
#: A device that has just lost its connection is given so long to come back by itself.
RECONNECT = 3.0
#: A device that is connected without presence is given so long from then on to read its log and leave.
VISIT = 30.0
#: After how many seconds a device that does not come is woken again, if there is something new for it: after
#: the first time, the second time, and so on; the last one repeats.
BACKOFF = (60.0, 300.0, 1800.0, 7200.0, 21600.0)
#: The same if what is new is a call.
CALL_AGAIN = 10.0


class Urgency(IntEnum):
    """What a message is worth."""

    NONE = 0
    MESSAGE = 1
    CALL = 2


_BODY = ns.tag(ns.CLIENT, "body")
_LEGACY_OMEMO = ns.tag(ns.OMEMO, "encrypted")
_INVITE = ns.tag(ns.MUC_USER, "invite")
#: Child elements with which a message has content that somebody wants to see. What is encrypted counts as
#: content, since the server can't look inside.
CONTENT = frozenset(
    (
        _BODY,
        ns.tag(ns.OMEMO_2, "encrypted"),
        "{urn:xmpp:openpgp:0}openpgp",
        "{jabber:x:encrypted}x",
        "{jabber:x:oob}x",
        "{urn:xmpp:sfs:0}file-sharing",
        "{http://jabber.org/protocol/geoloc}geoloc",
        "{jabber:x:conference}x",
    )
)
#: Child elements that say that the message only changes an earlier one, or reacts to it.
_CHANGES = frozenset(
    (
        ns.tag(ns.RETRACT, "retract"),
        "{urn:xmpp:message-retract:0}retract",
        "{urn:xmpp:fasten:0}apply-to",
        "{urn:xmpp:reactions:0}reactions",
        "{urn:xmpp:message-correct:0}replace",
        "{urn:xmpp:message-moderate:1}moderated",
    )
)
#: Child elements with which a call begins.
_CALLS = frozenset((PROPOSE, INVITE))
_COPIES = frozenset((ns.tag(ns.CARBONS, "sent"), ns.tag(ns.CARBONS, "received")))


def urgency(stanza: Stanza) -> Urgency:
    """Whether a device deserves to be woken for a message."""
    children = stanza.children
    if stanza.type in ("error", "headline") or not _COPIES.isdisjoint(children):
        return Urgency.NONE
    if not _CALLS.isdisjoint(children):
        return Urgency.CALL
    if not _CHANGES.isdisjoint(children):
        return Urgency.NONE
    if not CONTENT.isdisjoint(children):
        return Urgency.MESSAGE
    if _LEGACY_OMEMO in children:  # without a payload, it only transports keys (XEP-0384 0.3 §4.6)
        return Urgency.MESSAGE if b"<payload" in stanza.inner else Urgency.NONE
    if ns.tag(ns.MUC_USER, "x") in children and b"<invite" in stanza.inner:
        return Urgency.MESSAGE
    return Urgency.NONE


class Line(Enum):
    """What a device's connections mean for one message."""

    HAS = "it has acknowledged the message, or was here since and has read the log"
    SILENT = "it is connected and was sent the message, and has not acknowledged it"
    OTHERWISE = "it is connected, without being sent messages: it will read the log, or disconnect"
    LOST = "it has lost its connection"
    AWAY = "it is not connected"


class Place(NamedTuple):
    """Where a device is, as far as one message is concerned.

    ``since``: when it was connected (SILENT, OTHERWISE), or lost its connection (LOST). ``inactive``: it
    says that nobody is looking at it (XEP-0352).
    """

    line: Line
    since: float = 0.0
    inactive: bool = False


def wake_at(came: float, call: bool, place: Place, others: bool) -> float | None:
    """When a device has to be woken for a message, unless something happens until then.

    ``came``: when the message came. ``others``: somebody may be reading it on another device. Returns None
    if the device has the message.

    That a client is inactive neither wakes its device nor keeps it asleep: a message is sent to it at once,
    and an app that runs in the background shows it. Only the acknowledgement tells whether it runs.
    """
    if place.line is Line.HAS:
        return None
    at = came
    if place.line is Line.OTHERWISE:  # systems end apps without a farewell of their connections
        at = max(at, place.since + VISIT)
    if place.line is Line.SILENT:
        patience = ANSWER_CALL if call else ANSWER_INACTIVE if place.inactive else ANSWER
        at = max(at, place.since) + patience
    elif place.line is Line.LOST and not call:
        at = max(at, place.since + RECONNECT)
    return max(at, came + READ) if others and not call else at


def next_wake(at: float, tries: int, call: bool) -> float:
    """The earliest time to wake a device again that was woken at ``at`` and has not come.

    ``tries``: how often it was woken since it was here.
    """
    if not tries:
        return 0.0
    if call:
        return at + CALL_AGAIN
    return at + BACKOFF[min(tries, len(BACKOFF)) - 1]


def next_attempt(failures: int, wanted: float) -> float:
    """How many seconds to wait after a push service has refused a push for now, for the ``failures``-th time.

    ``wanted``: for how many seconds it asked to be left alone (Retry-After), or 0.
    """
    return float(min(max(wanted, 30.0 * 2 ** min(failures - 1, 8)), 6 * 3600.0))
