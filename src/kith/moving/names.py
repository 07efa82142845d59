"""The names of XEP-0227."""

from __future__ import annotations

from kith.wire import ns

PIE = "urn:xmpp:pie:0"
#: The namespace before the XEP was a Draft.
OLD_PIE = "http://www.xmpp.org/extensions/xep-0227.html#ns"
NAMESPACES = (PIE, OLD_PIE)
SCRAM = "urn:xmpp:pie:0#scram"
ARCHIVE = "urn:xmpp:pie:0#mam"
INCLUDE = "{http://www.w3.org/2001/XInclude}include"
PRIVACY = "jabber:iq:privacy"

#: Rooms are no part of XEP-0227. What Kith writes of them has a namespace of its own; others leave it out.
ROOMS = "urn:kith:rooms:0"
ROOM_TAG, CREATED_TAG, MEMBER_TAG, SUBJECT_TAG = (
    ns.tag(ROOMS, name) for name in ("room", "created", "member", "subject")
)

CREDENTIALS_TAG = ns.tag(SCRAM, "scram-credentials")
ROSTER_TAG = ns.tag(ns.ROSTER, "query")
PRIVATE_TAG = ns.tag(ns.PRIVATE, "query")
PRIVACY_TAG = ns.tag(PRIVACY, "query")
BLOCKLIST_TAG = ns.tag(ns.BLOCKING, "blocklist")
CARD_TAG = ns.tag(ns.VCARD, "vCard")
NODES_TAG = ns.tag(ns.PUBSUB_OWNER, "pubsub")
PUBSUB_TAG = ns.tag(ns.PUBSUB, "pubsub")
ITEMS_TAG = ns.tag(ns.PUBSUB, "items")
ARCHIVE_TAG = ns.tag(ARCHIVE, "archive")
OFFLINE_TAG = ns.tag(PIE, "offline-messages")
PRESENCE_TAG = ns.tag(ns.CLIENT, "presence")
MESSAGE_TAG = ns.tag(ns.CLIENT, "message")
