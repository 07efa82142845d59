"""The relays that our server gives us for a call (XEP-0215)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from kith.client.calls.values import CallSettings
from kith.client.stanzas import leaf
from kith.client.stream import Stream

if TYPE_CHECKING:
    from aiortc import RTCIceServer

_SERVICES = "urn:xmpp:extdisco:2"
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,253}\Z")


async def servers(stream: Stream, settings: CallSettings) -> list[RTCIceServer]:
    """A STUN server and a relay; fewer if the server has none, or does not answer."""

    iq: Any = stream.make_iq_get(ito=stream.boundjid.domain)
    iq.append(leaf(_SERVICES, "services"))
    try:
        answer = await iq.send(timeout=min(10.0, stream.timeout))
    except (IqError, IqTimeout):
        return []
    found = [_server(one) for one in answer.xml.iterfind(f"{{{_SERVICES}}}services/{{{_SERVICES}}}service")]
    ways = {"udp": ("turn", "udp"), "tcp": ("turn", "tcp"), "tls": ("turns", "tcp")}
    wanted: list[RTCIceServer] = []
    for scheme, transport in (("stun", None), ways[settings.relay]):
        for one in found:
            if one is not None and one[0] == scheme and transport in (None, one[1]):
                wanted.append(one[2])
                break
    return wanted if not settings.relay_only else [one for one in wanted if one.username]


def _server(service: Element) -> tuple[str, str, RTCIceServer] | None:
    from aiortc import RTCIceServer

    scheme, host, port = service.get("type", ""), service.get("host", ""), service.get("port", "")
    transport = service.get("transport", "udp")
    if scheme not in ("stun", "turn", "turns") or not _HOST.match(host) or transport not in ("udp", "tcp"):
        return None
    if port and not re.match(r"[0-9]{1,5}\Z", port):
        return None
    url = f"{scheme}:{host}:{port or (5349 if scheme == 'turns' else 3478)}"
    if scheme == "stun":
        return scheme, transport, RTCIceServer(url)
    server = RTCIceServer(f"{url}?transport={transport}", service.get("username"), service.get("password"))
    return scheme, transport, server
