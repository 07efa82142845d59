"""Builds and reads the messages and requests that signal calls, apart from the media (`jingle.py`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from kith.client import stanzas
from kith.client.stanzas import leaf

MESSAGES: Final = "urn:xmpp:jingle-message:0"  # XEP-0353
JINGLE: Final = "urn:xmpp:jingle:1"  # XEP-0166
JINGLE_ERRORS: Final = "urn:xmpp:jingle:errors:1"
RTP: Final = "urn:xmpp:jingle:apps:rtp:1"  # XEP-0167
DTLS: Final = "urn:xmpp:jingle:apps:dtls:0"  # XEP-0320
RTP_INFO: Final = "urn:xmpp:jingle:apps:rtp:info:1"
#: The OMEMO-verified fingerprint that Conversations and Dino use.
VERIFIED: Final = "http://gultsch.de/xmpp/drafts/omemo/dlts-srtp-verification"
#: What a device announces that takes calls.
FEATURES: Final = (
    *(JINGLE, RTP, f"{RTP[:-2]}:audio", f"{RTP[:-2]}:video", MESSAGES),
    "urn:xmpp:jingle:transports:ice-udp:1",  # XEP-0176
    DTLS,
    "urn:xmpp:jingle:apps:rtp:rtcp-fb:0",  # XEP-0293
    "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0",  # XEP-0294
    "urn:xmpp:jingle:apps:grouping:0",  # XEP-0338
    "urn:xmpp:jingle:apps:rtp:ssma:0",  # XEP-0339
)
_NAMES = ("propose", "ringing", "proceed", "accept", "reject", "retract", "finish")
_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")
_REASON = re.compile(r"[a-z-]{1,40}\Z")
_LARGEST_DEVICE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Signal:
    """A message of XEP-0353. ``device``: the OMEMO id of the device that has answered; 0: it is not told.

    ``tie_break``: both sides have called, and this call is the one that is given up.
    """

    name: str
    id: str
    audio: bool = False
    video: bool = False
    reason: str = ""
    tie_break: bool = False
    device: int = 0


def parse_signal(message: Element) -> Signal | None:
    """What a message says about a call; None if nothing, or nothing valid."""
    found = next((one for one in message if one.tag.startswith(f"{{{MESSAGES}}}")), None)
    if found is None:
        return None
    name, id = found.tag.partition("}")[2], found.get("id", "")
    if name not in _NAMES or not _ID.match(id):
        return None
    media = {one.get("media") for one in found.iterfind(f"{{{RTP}}}description")}
    device = found.find(f"{{{VERIFIED}}}device")
    text = "" if device is None else device.get("id", "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0
    return Signal(
        name,
        id,
        "audio" in media,
        "video" in media,
        parse_reason(found),
        found.find(f"{{{MESSAGES}}}tie-break") is not None,
        number if number <= _LARGEST_DEVICE else 0,
    )


def signal_element(signal: Signal) -> list[Element]:
    """The children of a message that says this. It is kept, so that all devices learn of it."""
    element = leaf(MESSAGES, signal.name, id=signal.id)
    for media in ("audio", "video"):
        if getattr(signal, media):
            SubElement(element, f"{{{RTP}}}description", media=media)
    if signal.reason:
        element.append(reason_element(signal.reason))
    if signal.tie_break:
        SubElement(element, f"{{{MESSAGES}}}tie-break")
    if signal.device:
        SubElement(element, f"{{{VERIFIED}}}device", id=str(signal.device))
    return [element, leaf(stanzas.HINTS, "store")]


def reason_element(reason: str) -> Element:
    """``<reason/>`` (XEP-0166 §7.4)."""
    element = leaf(JINGLE, "reason")
    SubElement(element, f"{{{JINGLE}}}{reason}")
    return element


def parse_reason(parent: Element) -> str:
    """The reason in an element; empty if there is none."""
    for found in parent.iterfind(f"{{{JINGLE}}}reason"):
        for child in found:
            namespace, _, name = child.tag[1:].partition("}")
            if namespace == JINGLE and name != "text" and _REASON.match(name):
                return name
    return ""


def request(action: str, sid: str, *children: Element, **who: str) -> Element:
    """``<jingle/>``. ``who``: initiator or responder."""
    element = leaf(JINGLE, "jingle", action=action, sid=sid, **who)
    element.extend(children)
    return element
