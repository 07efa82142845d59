"""Descriptions of media between SDP and Jingle; hostile ones are refused, or harmless."""

from __future__ import annotations

import copy
from collections.abc import Callable
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
from aiortc import RTCPeerConnection
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from kith.client.calls import xml
from kith.client.calls.jingle import Unacceptable, candidates, contents, to_sdp

SDP = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 96 0
c=IN IP4 0.0.0.0
a=sendrecv
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=mid:0
a=rtcp-mux
a=ssrc:1234 cname:abc
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtpmap:0 PCMU/8000
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 {print}
a=setup:actpass
a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host
a=candidate:2 1 udp 1694498815 192.0.2.7 5001 typ srflx raddr 192.0.2.1 rport 5000
m=video 9 UDP/TLS/RTP/SAVPF 97
c=IN IP4 0.0.0.0
a=sendonly
a=mid:1
a=rtcp-mux
a=rtpmap:97 VP8/90000
a=rtcp-fb:97 nack pli
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 {print}
a=setup:actpass
""".format(print=":".join(["AB"] * 32)).replace("\n", "\r\n")


def offer() -> Element:
    """As a peer gets it, over the wire."""
    element = xml.request("session-initiate", "sid", *contents(SDP, "initiator"))
    return fromstring(tostring(element))


def test_a_description_survives_the_way_over_jingle() -> None:
    before, after = SessionDescription.parse(SDP), SessionDescription.parse(to_sdp(offer(), "initiator"))
    assert [str(one) for one in after.group] == ["BUNDLE 0 1"]
    for one, other in zip(before.media, after.media, strict=True):
        assert (one.kind, one.direction, one.rtp.muxId) == (other.kind, other.direction, other.rtp.muxId)
        assert one.rtp.codecs == other.rtp.codecs
        assert one.rtp.headerExtensions == other.rtp.headerExtensions
        assert (one.ice, one.dtls, one.ice_candidates) == (other.ice, other.dtls, other.ice_candidates)
        assert [(s.ssrc, s.cname) for s in one.ssrc] == [(s.ssrc, s.cname) for s in other.ssrc]


async def test_the_library_takes_what_was_made_of_jingle() -> None:
    from aiortc import RTCSessionDescription

    connection = RTCPeerConnection()
    await connection.setRemoteDescription(RTCSessionDescription(to_sdp(offer(), "initiator"), "offer"))
    await connection.close()


def _first(name: str) -> Callable[[Element], Element]:
    return lambda jingle: next(one for one in jingle.iter() if one.tag.endswith("}" + name))


@pytest.mark.parametrize(
    ("find", "attribute", "value"),
    [
        (_first("content"), "name", "0\r\na=candidate:9 1 udp 1 10.0.0.1 1 typ host"),
        (_first("content"), "senders", "everybody"),
        (_first("description"), "media", "application"),
        (_first("payload-type"), "name", "opus\r\na=setup:passive"),
        (_first("payload-type"), "id", "1000"),
        (_first("payload-type"), "clockrate", "-1"),
        (_first("parameter"), "value", "1\r\na=x"),
        (_first("transport"), "ufrag", "ab\ncd"),
        (_first("transport"), "pwd", "short"),
        (_first("fingerprint"), "hash", "sha-1"),
        (_first("fingerprint"), "setup", "holdconn"),
        (_first("rtp-hdrext"), "uri", "urn:x\r\na=y"),
        (_first("rtp-hdrext"), "id", "99999999999999999999"),
        (_first("source"), "ssrc", "one"),
    ],
)
def test_what_is_not_valid_is_refused(find: Callable[[Element], Element], attribute: str, value: str) -> None:
    jingle = offer()
    find(jingle).set(attribute, value)
    with pytest.raises(Unacceptable):
        to_sdp(jingle, "initiator")


def test_what_is_larger_than_any_call_needs_is_refused() -> None:
    for name, count in (("content", 5), ("payload-type", 81), ("candidate", 81)):
        jingle = offer()
        parent = next(one for one in jingle.iter() for child in one if child.tag.endswith("}" + name))
        child = next(one for one in parent if one.tag.endswith("}" + name))
        parent.extend(copy.deepcopy(child) for _ in range(count))
        with pytest.raises(Unacceptable):
            to_sdp(jingle, "initiator")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("ip", "evil.example"), ("ip", "10.0.0.1\r\na=x"), ("protocol", "tcp"), ("type", "x"), ("port", "0")],
)
def test_a_bad_candidate_is_left_out_and_the_others_stay(attribute: str, value: str) -> None:
    jingle = offer()
    _first("candidate")(jingle).set(attribute, value)
    assert [one.foundation for one in candidates(jingle)] == ["2"]
    assert "candidate:1 " not in to_sdp(jingle, "initiator")


@given(st.data())
def test_no_attribute_becomes_a_line_of_its_own(data: st.DataObject) -> None:
    jingle = offer()
    element = data.draw(st.sampled_from(list(jingle.iter())))
    if not element.attrib:
        return
    attribute = data.draw(st.sampled_from(sorted(element.attrib)))
    element.set(attribute, data.draw(st.text(max_size=8)) + "\r\na=evil:1" + data.draw(st.text(max_size=8)))
    try:
        sdp = to_sdp(jingle, "initiator")
    except Unacceptable:
        return
    assert not [line for line in sdp.splitlines() if line.startswith("a=evil")]


@pytest.mark.parametrize(
    "text",
    [
        "<propose id=''/>",
        "<propose/>",
        "<nothing id='1'/>",
        f"<propose id='{'x' * 200}'/>",
        "<propose id='with blank'/>",
    ],
)
def test_a_message_that_is_not_valid_says_nothing(text: str) -> None:
    element = fromstring(
        f"<message xmlns='jabber:client'>{text.replace('/>', f' xmlns={xml.MESSAGES!r}/>')}</message>"
    )
    assert xml.parse_signal(element) is None


@given(
    st.builds(
        xml.Signal, st.just("propose"), st.from_regex(r"\A[!-~]{1,128}\Z"), st.booleans(), st.booleans()
    )
)
def test_what_is_said_is_what_is_heard(signal: xml.Signal) -> None:
    message = Element("{jabber:client}message")
    message.extend(xml.signal_element(signal))
    assert xml.parse_signal(fromstring(tostring(message))) == signal
