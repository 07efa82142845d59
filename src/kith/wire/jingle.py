"""The elements that signal calls: messages of XEP-0353 and XEP-0482, and requests of XEP-0166."""

from __future__ import annotations

from typing import Final

from kith.wire import ns
from kith.wire.stanza import Stanza

#: An account is called, by its Clark name.
PROPOSE: Final = ns.tag(ns.JINGLE_MESSAGE, "propose")
#: A device of the callee has answered.
PROCEED: Final = ns.tag(ns.JINGLE_MESSAGE, "proceed")
#: A device of the callee rings. This is of no use later.
RINGING: Final = ns.tag(ns.JINGLE_MESSAGE, "ringing")
#: Somebody is invited to a call of several people.
INVITE: Final = ns.tag(ns.CALL_INVITES, "invite")
#: Elements of messages that begin, answer and end calls.
MESSAGES: Final = frozenset(
    (
        *(PROPOSE, PROCEED, RINGING, INVITE),
        *(ns.tag(ns.JINGLE_MESSAGE, name) for name in ("accept", "reject", "retract", "finish")),
        *(ns.tag(ns.CALL_INVITES, name) for name in ("accept", "reject", "retract", "left")),
    )
)
#: The element of all requests of a session.
JINGLE: Final = ns.tag(ns.JINGLE, "jingle")
#: A part of the names of all versions of XEP-0167: the session is about sound or pictures.
_RTP: Final = b"urn:xmpp:jingle:apps:rtp:"


def is_call_message(stanza: Stanza) -> bool:
    """Whether a message signals a call."""
    return not MESSAGES.isdisjoint(stanza.children)


def is_call_request(stanza: Stanza) -> bool:
    """Whether an iq is a request of a session about sound or pictures, such as the one that begins it."""
    return stanza.type == "set" and JINGLE in stanza.children and _RTP in stanza.inner
