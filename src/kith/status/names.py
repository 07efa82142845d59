"""XML names of status, and its bounds (docs/status.md)."""

from __future__ import annotations

from kith.wire import ns

STATUS = ns.STATUS
POST, TO, RETRACT, SEEN, ENTRY = (
    ns.tag(STATUS, name) for name in ("post", "to", "retract", "seen", "status")
)
ENCRYPTED = ns.tag(ns.OMEMO, "encrypted")
SEALED = ns.tag(ns.SEALED, "sealed")
ORIGIN = ns.tag(ns.STANZA_ID, "origin-id")
DELAY = ns.tag(ns.DELAY, "delay")

#: For how many seconds there is a status, at most and at least.
DAY, LEAST_SECONDS = 86_400, 60
#: How many people one message is for at most, and how many a status.
MAX_PEOPLE, MAX_AUDIENCE = 1024, 5000
#: How many statuses an account posts in a day at most.
MAX_A_DAY = 100
#: How many bytes of a status everybody gets: all but the keys.
MAX_BODY = 64 * 1024
#: How many characters an origin id has at most.
MAX_ORIGIN = 100
