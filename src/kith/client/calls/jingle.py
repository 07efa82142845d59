"""Between SDP, as aiortc has it, and the contents of Jingle.

XEP-0167 (RTP), 0176 (ICE), 0293 (feedback), 0294 (header extensions), 0320 (DTLS), 0338 (grouping) and 0339
(sources). What peers send is checked, so that nothing of it can become a line of SDP of its own.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Final, Literal
from xml.etree.ElementTree import Element, SubElement

from aiortc import RTCIceCandidate
from aiortc.sdp import MediaDescription, SessionDescription

from kith.client.calls.xml import DTLS, JINGLE, RTP
from kith.client.stanzas import leaf

ICE: Final = "urn:xmpp:jingle:transports:ice-udp:1"
FEEDBACK: Final = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
EXTENSIONS: Final = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
GROUPING: Final = "urn:xmpp:jingle:apps:grouping:0"
SOURCES: Final = "urn:xmpp:jingle:apps:rtp:ssma:0"
Side = Literal["initiator", "responder"]
_SETUP = {"auto": "actpass", "client": "active", "server": "passive"}
_FORMS = {
    "name": re.compile(r"[A-Za-z0-9_.-]{1,32}\Z"),
    "token": re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/-]{1,64}\Z"),
    "value": re.compile(r"[\x21-\x3a\x3c-\x7e]{0,256}\Z"),
    "uri": re.compile(r"[\x21-\x7e]{1,256}\Z"),
    "ufrag": re.compile(r"[A-Za-z0-9+/]{4,256}\Z"),
    "pwd": re.compile(r"[A-Za-z0-9+/]{22,256}\Z"),
    "address": re.compile(r"[0-9A-Fa-f.:]{2,45}\Z"),
    "fingerprint": re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){31,63}\Z"),
}
_STATIC = {0: "PCMU", 8: "PCMA"}
#: Hashes that may authenticate a certificate, with their length in bytes. SHA-1 can be forged.
_HASHES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_MOST_CONTENTS, _MOST_CHILDREN = 4, 80


class Unacceptable(ValueError):
    """A description is not valid, or larger than any real call needs."""


# -- reading -----------------------------------------------------------------------------------------------


def to_sdp(jingle: Element, sender: Side) -> str:
    """The SDP of ``<jingle/>`` that ``sender`` has sent. All fingerprints are plain. Raises Unacceptable."""
    contents = jingle.findall(f"{{{JINGLE}}}content")
    if not 1 <= len(contents) <= _MOST_CONTENTS:
        raise Unacceptable("contents")
    names = [_form("name", content.get("name")) for content in contents]
    if len(set(names)) != len(names):
        raise Unacceptable("names")
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    for group in jingle.iterfind(f"{{{GROUPING}}}group"):
        if group.get("semantics") == "BUNDLE":
            grouped = [_form("name", one.get("name")) for one in _bounded(group, GROUPING, "content")]
            if not set(grouped) <= set(names):
                raise Unacceptable("group")
            lines.append(f"a=group:BUNDLE {' '.join(grouped)}")
    for content in contents:
        lines += _media_lines(content, sender)
    return "\r\n".join(lines) + "\r\n"


def candidates(jingle: Element) -> Iterator[RTCIceCandidate]:
    """The candidates of a ``transport-info``. Others than of UDP, and malformed ones, are left out."""
    for content in jingle.findall(f"{{{JINGLE}}}content")[:_MOST_CONTENTS]:
        for transport in content.iterfind(f"{{{ICE}}}transport"):
            for element in _bounded(transport, ICE, "candidate"):
                try:
                    candidate = _candidate(element)
                except Unacceptable:
                    continue
                candidate.sdpMid = _form("name", content.get("name"))
                yield candidate


def credentials(jingle: Element) -> Iterator[tuple[str, str, str]]:
    """Name, ufrag and pwd of the contents of a ``transport-info``; the latter may be empty."""
    for content in jingle.findall(f"{{{JINGLE}}}content")[:_MOST_CONTENTS]:
        for transport in content.iterfind(f"{{{ICE}}}transport"):
            ufrag, pwd = transport.get("ufrag", ""), transport.get("pwd", "")
            yield (
                _form("name", content.get("name")),
                _form("ufrag", ufrag) if ufrag else "",
                _form("pwd", pwd) if pwd else "",
            )


def _media_lines(content: Element, sender: Side) -> list[str]:
    description, transport = content.find(f"{{{RTP}}}description"), content.find(f"{{{ICE}}}transport")
    if description is None or transport is None:
        raise Unacceptable("content")
    media = description.get("media")
    if media not in ("audio", "video"):
        raise Unacceptable("media")
    payloads = _bounded(description, RTP, "payload-type")
    ids = [_integer(payload.get("id"), 0, 127) for payload in payloads]
    lines = [f"m={media} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, ids))}", "c=IN IP4 0.0.0.0"]
    lines.append(f"a={_direction(content.get('senders', 'both'), sender)}")
    lines.append(f"a=mid:{_form('name', content.get('name'))}")
    lines.append("a=rtcp-mux")
    for id, payload in zip(ids, payloads, strict=True):
        lines += _payload_lines(id, payload, description)
    for extension in _bounded(description, EXTENSIONS, "rtp-hdrext"):
        number = _integer(extension.get("id"), 1, 255)
        lines.append(f"a=extmap:{number} {_form('uri', extension.get('uri'))}")
    for group in _bounded(description, SOURCES, "ssrc-group"):
        members = [_integer(one.get("ssrc"), 0, 2**32 - 1) for one in _bounded(group, SOURCES, "source")]
        lines.append(f"a=ssrc-group:{_form('token', group.get('semantics'))} {' '.join(map(str, members))}")
    for source in _bounded(description, SOURCES, "source"):
        ssrc = _integer(source.get("ssrc"), 0, 2**32 - 1)
        for parameter in _bounded(source, SOURCES, "parameter"):
            if parameter.get("name") == "cname":
                lines.append(f"a=ssrc:{ssrc} cname:{_form('value', parameter.get('value', ''))}")
    return lines + _transport_lines(transport)


def _payload_lines(id: int, payload: Element, description: Element) -> list[str]:
    name = _form("token", payload.get("name") or _STATIC.get(id))
    rate = _integer(payload.get("clockrate", "8000"), 1, 384_000)
    channels = _integer(payload.get("channels", "1"), 1, 8)
    lines = [f"a=rtpmap:{id} {name}/{rate}" + (f"/{channels}" if channels > 1 else "")]
    parameters = [
        (_form("token", one.get("name")), _form("value", one.get("value", "").replace(" ", "")))
        for one in _bounded(payload, RTP, "parameter")
    ]
    if parameters:
        lines.append(f"a=fmtp:{id} {';'.join(f'{name}={value}' for name, value in parameters)}")
    for one in (*_bounded(payload, FEEDBACK, "rtcp-fb"), *_bounded(description, FEEDBACK, "rtcp-fb")):
        subtype = one.get("subtype", "")
        line = f"a=rtcp-fb:{id} {_form('token', one.get('type'))}"
        lines.append(line + (f" {_form('token', subtype)}" if subtype else ""))
    return lines


def _transport_lines(transport: Element) -> list[str]:
    fingerprints = _bounded(transport, DTLS, "fingerprint")
    if len(fingerprints) != 1:
        raise Unacceptable("fingerprint")
    (fingerprint,) = fingerprints
    hash, value = fingerprint.get("hash", "").lower(), (fingerprint.text or "").strip().upper()
    if _HASHES.get(hash) != (len(_form("fingerprint", value)) + 1) // 3:
        raise Unacceptable("fingerprint")
    setup = fingerprint.get("setup", "actpass")
    if setup not in _SETUP.values():
        raise Unacceptable("setup")
    lines = [
        f"a=ice-ufrag:{_form('ufrag', transport.get('ufrag'))}",
        f"a=ice-pwd:{_form('pwd', transport.get('pwd'))}",
        f"a=fingerprint:{hash} {value}",
        f"a=setup:{setup}",
    ]
    for element in _bounded(transport, ICE, "candidate"):
        try:
            one = _candidate(element)
        except Unacceptable:
            continue  # others may do
        related = f" raddr {one.relatedAddress} rport {one.relatedPort}" if one.relatedAddress else ""
        head = f"a=candidate:{one.foundation} {one.component} {one.protocol} {one.priority}"
        lines.append(f"{head} {one.ip} {one.port} typ {one.type}{related}")
    return lines


def _candidate(element: Element) -> RTCIceCandidate:
    kind = element.get("type", "")
    if element.get("protocol", "").lower() != "udp" or kind not in ("host", "srflx", "prflx", "relay"):
        raise Unacceptable("candidate")
    candidate = RTCIceCandidate(
        component=_integer(element.get("component"), 1, 2),
        foundation=_form("name", element.get("foundation")),
        ip=_form("address", element.get("ip")),
        port=_integer(element.get("port"), 1, 65535),
        priority=_integer(element.get("priority"), 0, 2**32 - 1),
        protocol="udp",
        type=kind,
    )
    if element.get("rel-addr") and element.get("rel-port"):
        candidate.relatedAddress = _form("address", element.get("rel-addr"))
        candidate.relatedPort = _integer(element.get("rel-port"), 0, 65535)
    return candidate


def _direction(senders: str, sender: Side) -> str:
    if senders == "both":
        return "sendrecv"
    if senders == "none":
        return "inactive"
    if senders not in ("initiator", "responder"):
        raise Unacceptable("senders")
    return "sendonly" if senders == sender else "recvonly"


def _form(name: str, text: str | None) -> str:
    if text is None or not _FORMS[name].match(text):
        raise Unacceptable(name)
    return text


def _integer(text: str | None, least: int, most: int) -> int:
    if text is None or not re.match(r"[0-9]{1,10}\Z", text) or not least <= int(text) <= most:
        raise Unacceptable("number")
    return int(text)


def _bounded(parent: Element, namespace: str, name: str) -> list[Element]:
    found = parent.findall(f"{{{namespace}}}{name}")
    if len(found) > _MOST_CHILDREN:
        raise Unacceptable(name)
    return found


# -- writing -----------------------------------------------------------------------------------------------


def contents(sdp: str, own: Side) -> list[Element]:
    """The contents, and their group, of a local description that the side ``own`` sends."""
    session = SessionDescription.parse(sdp)
    found = [_content(media, own) for media in session.media if media.kind in ("audio", "video")]
    for group in session.group:
        if group.semantic == "BUNDLE" and len(group.items) > 1:
            element = leaf(GROUPING, "group", semantics="BUNDLE")
            for name in group.items:
                SubElement(element, f"{{{GROUPING}}}content", name=str(name))
            found.append(element)
    return found


def _content(media: MediaDescription, own: Side) -> Element:
    other = "responder" if own == "initiator" else "initiator"
    senders = {"sendrecv": "both", "inactive": "none", "sendonly": own, "recvonly": other}
    content = leaf(
        JINGLE,
        "content",
        creator="initiator",
        name=media.rtp.muxId,
        senders=senders[media.direction or "sendrecv"],
    )
    description = SubElement(content, f"{{{RTP}}}description", media=media.kind)
    for codec in media.rtp.codecs:
        attributes = {"id": str(codec.payloadType), "name": codec.name, "clockrate": str(codec.clockRate)}
        if codec.channels == 2:
            attributes["channels"] = "2"
        payload = SubElement(description, f"{{{RTP}}}payload-type", attributes)
        for name, value in codec.parameters.items():
            SubElement(payload, f"{{{RTP}}}parameter", name=name, value="" if value is None else str(value))
        for feedback in codec.rtcpFeedback:
            one = SubElement(payload, f"{{{FEEDBACK}}}rtcp-fb", type=feedback.type)
            if feedback.parameter:
                one.set("subtype", feedback.parameter)
    for extension in media.rtp.headerExtensions:
        SubElement(description, f"{{{EXTENSIONS}}}rtp-hdrext", id=str(extension.id), uri=extension.uri or "")
    for group in media.ssrc_group:
        element = SubElement(description, f"{{{SOURCES}}}ssrc-group", semantics=group.semantic)
        for ssrc in group.items:
            SubElement(element, f"{{{SOURCES}}}source", ssrc=str(ssrc))
    for source in media.ssrc:
        element = SubElement(description, f"{{{SOURCES}}}source", ssrc=str(source.ssrc))
        SubElement(element, f"{{{SOURCES}}}parameter", name="cname", value=source.cname or "")
    SubElement(description, f"{{{RTP}}}rtcp-mux")
    content.append(_transport(media))
    return content


def _transport(media: MediaDescription) -> Element:
    assert media.ice is not None
    assert media.dtls is not None
    ufrag, pwd = media.ice.usernameFragment or "", media.ice.password or ""
    transport = leaf(ICE, "transport", ufrag=ufrag, pwd=pwd)
    for print in media.dtls.fingerprints:
        if print.algorithm == "sha-256":
            setup = _SETUP[media.dtls.role]
            element = SubElement(transport, f"{{{DTLS}}}fingerprint", hash="sha-256", setup=setup)
            element.text = print.value
    _write_candidates(transport, media.ice_candidates)
    return transport


def transport_info(name: str, ufrag: str, pwd: str, candidates: Iterable[RTCIceCandidate]) -> Element:
    """The content of a ``transport-info``."""
    content = leaf(JINGLE, "content", creator="initiator", name=name)
    transport = SubElement(content, f"{{{ICE}}}transport", ufrag=ufrag, pwd=pwd)
    _write_candidates(transport, candidates)
    return content


def _write_candidates(transport: Element, candidates: Iterable[RTCIceCandidate]) -> None:
    for one in candidates:
        attributes = {
            "component": str(one.component),
            "foundation": one.foundation,
            "generation": "0",
            "id": uuid.uuid4().hex[:8],
            "ip": one.ip,
            "network": "0",
            "port": str(one.port),
            "priority": str(one.priority),
            "protocol": one.protocol,
            "type": one.type,
        }
        if one.relatedAddress:
            attributes |= {"rel-addr": one.relatedAddress, "rel-port": str(one.relatedPort or 0)}
        SubElement(transport, f"{{{ICE}}}candidate", attributes)
