"""The rules of waking, as tables: which messages deserve it, when a device is woken, and how often."""

from __future__ import annotations

import pytest

from kith.push.rules import (
    ANSWER,
    ANSWER_CALL,
    ANSWER_INACTIVE,
    BACKOFF,
    CALL_AGAIN,
    READ,
    RECONNECT,
    VISIT,
    Line,
    Place,
    Urgency,
    next_attempt,
    next_wake,
    urgency,
    wake_at,
)
from kith.wire.stanza import Stanza

OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/>{}</encrypted>"
PAYLOAD = "<payload>AAAA</payload>"
BODY = "<body>hello</body>"
COPY = (
    "<{} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>"
    "<body>hello</body></message></forwarded></{}>"
)
CASES = {
    "a text": ("chat", BODY, Urgency.MESSAGE),
    "a text without a type": ("", BODY, Urgency.MESSAGE),
    "a text in a group": ("groupchat", BODY, Urgency.MESSAGE),
    "encrypted (OMEMO 0.3)": ("chat", OMEMO.format(PAYLOAD), Urgency.MESSAGE),
    "only keys (OMEMO 0.3)": ("chat", OMEMO.format(""), Urgency.NONE),
    "encrypted (OMEMO 2)": ("chat", "<encrypted xmlns='urn:xmpp:omemo:2'/>", Urgency.MESSAGE),
    "encrypted (OpenPGP)": ("chat", "<openpgp xmlns='urn:xmpp:openpgp:0'>AA==</openpgp>", Urgency.MESSAGE),
    "encrypted with a text for others": ("chat", OMEMO.format(PAYLOAD) + BODY, Urgency.MESSAGE),
    "a file": ("chat", "<x xmlns='jabber:x:oob'><url>https://a/b</url></x>", Urgency.MESSAGE),
    "a place": ("chat", "<geoloc xmlns='http://jabber.org/protocol/geoloc'/>", Urgency.MESSAGE),
    "an invitation": ("", "<x xmlns='jabber:x:conference' jid='room@x'/>", Urgency.MESSAGE),
    "an invitation by a room": (
        "",
        "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@x'/></x>",
        Urgency.MESSAGE,
    ),
    "a call": ("chat", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", Urgency.CALL),
    "a call in a group": ("groupchat", "<invite xmlns='urn:xmpp:call-invites:0'/>", Urgency.CALL),
    "a call that is taken back": (
        "chat",
        "<retract xmlns='urn:xmpp:jingle-message:0' id='1'/>",
        Urgency.NONE,
    ),
    "a call that rings": ("chat", "<ringing xmlns='urn:xmpp:jingle-message:0' id='1'/>", Urgency.NONE),
    "typing": ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", Urgency.NONE),
    "a receipt": ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>", Urgency.NONE),
    "a marker": ("chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", Urgency.NONE),
    "a copy of what was sent": ("chat", COPY.format("sent", "sent"), Urgency.NONE),
    "a copy of what was received": ("chat", COPY.format("received", "received"), Urgency.NONE),
    "a reaction": ("chat", "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>" + BODY, Urgency.NONE),
    "a correction": ("chat", "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>" + BODY, Urgency.NONE),
    "a retraction": ("chat", "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>" + BODY, Urgency.NONE),
    "a new subject": ("groupchat", "<subject>new</subject>", Urgency.NONE),
    "an event": ("headline", BODY, Urgency.NONE),
    "an error": ("error", BODY, Urgency.NONE),
    "nothing known": ("chat", "<x xmlns='urn:example'/>", Urgency.NONE),
}


@pytest.mark.parametrize(("type", "inner", "expected"), CASES.values(), ids=CASES.keys())
def test_messages_with_content_and_calls_deserve_waking_and_nothing_else(
    type: str, inner: str, expected: Urgency
) -> None:
    kind = f" type='{type}'" if type else ""
    stanza = Stanza.from_bytes(f"<message from='a@x/1' to='b@x'{kind}>{inner}</message>".encode())
    assert urgency(stanza) is expected


CAME = 1000.0
HAS, AWAY, OTHERWISE = Place(Line.HAS), Place(Line.AWAY), Place(Line.OTHERWISE, CAME - 1)
LOST, LONG_LOST = Place(Line.LOST, CAME - 1), Place(Line.LOST, CAME - 600)
SILENT, RESTING = Place(Line.SILENT, CAME - 60), Place(Line.SILENT, CAME - 60, inactive=True)
BACK = Place(Line.SILENT, CAME + 10)
#: Where the device is, whether it is a call, whether somebody may be at another device, and when it is woken.
TIMES = {
    "it has the message": (HAS, False, True, None),
    "it has the call": (HAS, True, False, None),
    "it sleeps": (AWAY, False, False, CAME),
    "it sleeps, a desktop is in use": (AWAY, False, True, CAME + READ),
    "it sleeps, somebody calls, a desktop is in use": (AWAY, True, True, CAME),
    "it does not answer": (SILENT, False, False, CAME + ANSWER),
    "it does not answer, a desktop is in use": (SILENT, False, True, CAME + ANSWER),
    "it is inactive and does not answer": (RESTING, False, False, CAME + ANSWER_INACTIVE),
    "it is inactive and does not answer, a desktop is in use": (RESTING, False, True, CAME + READ),
    "it does not answer a call": (SILENT, True, True, CAME + ANSWER_CALL),
    "it has resumed and is sent the message again": (BACK, False, False, CAME + 10 + ANSWER),
    "it has just lost its connection": (LOST, False, False, CAME - 1 + RECONNECT),
    "it has just lost its connection, somebody calls": (LOST, True, False, CAME),
    "it has lost its connection long ago": (LONG_LOST, False, False, CAME),
    "it reads its log": (OTHERWISE, False, False, CAME - 1 + VISIT),
    "it has read its log and vanished": (Place(Line.OTHERWISE, CAME - 600), False, False, CAME),
}


@pytest.mark.parametrize(("place", "call", "others", "expected"), TIMES.values(), ids=TIMES.keys())
def test_a_device_is_woken_when_it_will_not_get_the_message_otherwise(
    place: Place, call: bool, others: bool, expected: float | None
) -> None:
    assert wake_at(CAME, call, place, others) == expected


def test_a_device_that_does_not_come_is_woken_less_and_less_often() -> None:
    assert next_wake(CAME, 0, False) == 0
    waits = [next_wake(CAME, tries, False) - CAME for tries in range(1, 10)]
    assert waits == sorted(waits)
    assert tuple(waits[: len(BACKOFF)]) == BACKOFF
    assert waits[-1] == BACKOFF[-1]
    assert next_wake(CAME, 9, True) == CAME + CALL_AGAIN


def test_a_service_that_refuses_is_asked_less_and_less_often_and_never_before_it_wants() -> None:
    waits = [next_attempt(failures, 0.0) for failures in range(1, 100)]
    assert waits[0] == 30
    assert waits == sorted(waits)
    assert waits[-1] <= 6 * 3600
    assert next_attempt(1, 120.0) == 120
    assert next_attempt(1, 1e9) == 6 * 3600  # it can't silence a device for ever
