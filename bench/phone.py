"""A client as phones run it: TLS, stream management with resumption, tokens where the server has them.

It is one socket, of which the kernel counts bytes and packets (Linux, TCP_INFO). Blocking: a phone does one
thing after the other.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
import ssl
import struct
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple, Protocol
from xml.etree.ElementTree import Element, XMLPullParser, fromstring

from scramp import ScramClient
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SM = "urn:xmpp:sm:3"
SASL, SASL2 = "urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:2"
FAST, BIND = "urn:xmpp:fast:0", "urn:ietf:params:xml:ns:xmpp-bind"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
CLIENT = "jabber:client"
_HEAD = (
    "<?xml version='1.0'?><stream:stream{claim} to='localhost' version='1.0' xml:lang='en' "
    "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)
_FEATURES = ("http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info", "urn:xmpp:receipts")
#: XEP-0115 §5.1: the server asks what is behind it when it sees it for the first time.
_CAPS = base64.b64encode(
    hashlib.sha1("".join(f"{x}<" for x in ("client/phone//Phone", *_FEATURES)).encode()).digest()
)
_PRESENCE = (
    f"<presence xmlns='{CLIENT}'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' "
    f"node='https://example.org/phone' ver='{_CAPS.decode()}'/></presence>"
)
_INFO = "{http://jabber.org/protocol/disco#info}query"
_STANZAS = tuple(f"{{{CLIENT}}}{kind}" for kind in ("message", "presence", "iq"))
#: The payload of a packet where the path is a usual one: the loopback's would be 64 KB.
_SEGMENT = 1400
#: IPv4 20, TCP 20, timestamps 12.
HEADERS = 52


class Traffic(NamedTuple):
    """Both ways, from the phone's side: bytes above TCP (TLS included), and packets (bare ACKs included)."""

    up: int = 0
    down: int = 0
    packets_up: int = 0
    packets_down: int = 0

    def since(self, before: Traffic) -> Traffic:
        return Traffic(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def packets(self) -> int:
        return self.packets_up + self.packets_down

    @property
    def bytes(self) -> int:
        """With the headers of TCP and IP, as a data plan has it."""
        return self.up + self.down + HEADERS * self.packets


def counted(sock: socket.socket) -> Traffic:
    """What has passed a TCP socket (struct tcp_info of linux/tcp.h)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    (down,) = struct.unpack_from("=Q", info, 128)
    packets_up, packets_down = struct.unpack_from("=II", info, 136)
    (up,) = struct.unpack_from("=Q", info, 200)
    return Traffic(up, down, packets_up, packets_down)


def _dial(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.connect(("127.0.0.1", port))
    return sock


def trusting() -> ssl.SSLContext:
    """For certificates of the moment."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Line(Protocol):
    """A connection that carries a stream."""

    sock: socket.socket

    def open(self, user: str, then: str = "") -> None:
        """Begins a stream, or begins it anew; ``then`` goes along."""

    def write(self, *elements: str) -> None: ...
    def close(self) -> None:
        """Ends the stream."""

    def read(self, timeout: float) -> list[Element]:
        """The stream's next elements; none if none came in time."""


#: A ticket works with the context that it came to.
Ticket = tuple[ssl.SSLContext, ssl.SSLSession | None]


class TCPLine:
    """TLS from the first byte, or by STARTTLS. ``ticket``: an older line's, to resume its TLS session."""

    def __init__(self, port: int, starttls: bool = False, ticket: Ticket | None = None) -> None:
        self.sock = _dial(port)
        self._restart()
        self._context, session = ticket or (trusting(), None)
        if starttls:
            self.open("")
            _until(self, "features")
            self.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            _until(self, "proceed")
        elif ticket is None:
            self._context.set_alpn_protocols(["xmpp-client"])
        self.sock = self._context.wrap_socket(self.sock, server_hostname="localhost", session=session)

    @property
    def ticket(self) -> Ticket:
        assert isinstance(self.sock, ssl.SSLSocket)
        return self._context, self.sock.session

    @property
    def resumed(self) -> bool:
        """Whether the TLS session is an older one."""
        assert isinstance(self.sock, ssl.SSLSocket)
        return bool(self.sock.session_reused)

    def _restart(self) -> None:
        self._parser, self._depth = XMLPullParser(("start", "end")), 0

    def open(self, user: str, then: str = "") -> None:
        self._restart()
        claim = f" from='{user}@localhost'" if user else ""
        self.write(_HEAD.format(claim=claim), then)

    def close(self) -> None:
        self.write("</stream:stream>")

    def write(self, *elements: str) -> None:
        self.sock.sendall("".join(elements).encode())

    def read(self, timeout: float) -> list[Element]:
        end, found = time.monotonic() + timeout, list[Element]()
        while not found and (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            with contextlib.suppress(TimeoutError):
                found = self._elements(self.sock.recv(65536))
        self.sock.settimeout(60)
        return found

    def _elements(self, data: bytes) -> list[Element]:
        if not data:
            raise ConnectionError("the server has closed")
        self._parser.feed(data)
        found = []
        for kind, element in self._parser.read_events():
            self._depth += 1 if kind == "start" else -1
            if kind == "end" and self._depth == 1:
                found.append(element)
        return found


class WebLine:
    """A WebSocket over TLS (RFC 7395), with permessage-deflate or without."""

    def __init__(self, port: int, deflate: bool) -> None:
        self.sock = _dial(port)
        self._socket = connect(
            f"wss://localhost:{port}/xmpp-websocket",
            sock=self.sock,
            ssl=trusting(),
            subprotocols=["xmpp"],  # type: ignore[list-item]
            compression="deflate" if deflate else None,
            max_size=None,
        )
        self.sock = self._socket.socket

    @property
    def compressed(self) -> bool:
        """Whether the server has agreed to that."""
        return bool(self._socket.protocol.extensions)

    def open(self, user: str, then: str = "") -> None:
        self.write(f"<open xmlns='{FRAMING}' from='{user}@localhost' to='localhost' version='1.0'/>")
        if then:
            self.write(then)

    def close(self) -> None:
        self.write(f"<close xmlns='{FRAMING}'/>")

    def write(self, *elements: str) -> None:
        for element in elements:
            self._socket.send(element)

    def read(self, timeout: float) -> list[Element]:
        try:
            return [fromstring(self._socket.recv(timeout))]
        except TimeoutError:
            return []
        except ConnectionClosed:
            raise ConnectionError("the server has closed") from None


def _until(line: Line, name: str) -> None:
    while not any(element.tag.endswith(name) for element in line.read(20)):
        pass


class Phone:
    """An account's client. It answers each request to acknowledge at once, as XEP-0198 has it."""

    def __init__(self, user: str, password: str = "secret") -> None:
        self.user = user
        self.password = password
        self.token = ""
        self.roster = ""  # its version, if the server has versions
        self._agent = uuid.uuid5(uuid.NAMESPACE_DNS, user)
        self._resumption = ""  # the id of the session, while it can be resumed
        self._handled = -1

    def dial(self, line: Line) -> None:
        self.line = line

    @property
    def traffic(self) -> Traffic:
        return counted(self.line.sock)

    # -- logging in ----------------------------------------------------------------------------------

    def log_in(self, resume: bool = False) -> None:
        """By a token if it has one; with what an app sets up: bound or resumed, carbons, roster, presence."""
        if self.token:
            self.line.open(self.user, self._authenticate_with_token(resume))
            self._entered(self._until("success", SASL2), resume)
        else:
            self.line.open(self.user)
            features = self._until("features")
            if features.find(f"{{{SASL2}}}authentication") is not None:
                self._by_sasl2(resume)
            else:
                self._by_sasl(resume)
        if not resume:
            self._set_up()
        self.settle()

    def _by_sasl2(self, resume: bool) -> None:
        scram = ScramClient(["SCRAM-SHA-256"], self.user, self.password)
        ask = f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-ENDP'/>"
        first = _b64(scram.get_client_first())
        self.line.write(self._authenticate("SCRAM-SHA-256", first, resume, ask))
        scram.set_server_first(_text(self._until("challenge", SASL2)))
        response = _b64(scram.get_client_final())
        self.line.write(f"<response xmlns='{SASL2}'>{response}</response>")
        self._entered(self._until("success", SASL2), resume)

    def _authenticate(self, mechanism: str, initial: str, resume: bool, more: str) -> str:
        if resume:
            wish = f"<resume xmlns='{SM}' previd='{self._resumption}' h='{self._handled}'/>"
        else:
            wish = (
                f"<bind xmlns='urn:xmpp:bind:0'><tag>phone</tag><enable xmlns='{SM}' resume='true'/>"
                "<enable xmlns='urn:xmpp:carbons:2'/></bind>"
            )
        return (
            f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{initial}"
            f"</initial-response><user-agent id='{self._agent}'><software>Phone</software>"
            f"<device>Pixel 8</device></user-agent>{wish}{more}</authenticate>"
        )

    def _authenticate_with_token(self, resume: bool) -> str:
        sock = self.line.sock
        assert isinstance(sock, ssl.SSLSocket)
        bound = hashlib.sha256(sock.getpeercert(True) or b"").digest()
        proof = hmac.digest(self.token.encode(), b"Initiator" + bound, hashlib.sha256)
        initial = base64.b64encode(self.user.encode() + b"\0" + proof).decode()
        return self._authenticate("HT-SHA-256-ENDP", initial, resume, f"<fast xmlns='{FAST}'/>")

    def _entered(self, success: Element, resume: bool) -> None:
        token = success.find(f"{{{FAST}}}token")
        if token is not None:
            self.token = token.get("token", "")
        assert not resume or success.find(f"{{{SM}}}resumed") is not None

    def _by_sasl(self, resume: bool) -> None:
        scram = ScramClient(["SCRAM-SHA-256"], self.user, self.password)
        first = _b64(scram.get_client_first())
        self.line.write(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
        scram.set_server_first(_text(self._until("challenge", SASL)))
        response = _b64(scram.get_client_final())
        self.line.write(f"<response xmlns='{SASL}'>{response}</response>")
        self._until("success", SASL)
        self.line.open(self.user)
        self._until("features")
        if resume:
            self.line.write(f"<resume xmlns='{SM}' previd='{self._resumption}' h='{self._handled}'/>")
            self._until("resumed", SM)
            return
        self.line.write(
            f"<iq type='set' id='bind' xmlns='{CLIENT}'><bind xmlns='{BIND}'>"
            "<resource>phone</resource></bind></iq>"
        )
        self._until("iq")
        self.line.write(f"<enable xmlns='{SM}' resume='true'/>")
        self._until("enabled", SM)
        self.line.write(
            f"<iq type='set' id='copies' xmlns='{CLIENT}'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
        )

    def _set_up(self) -> None:
        known = f" ver='{self.roster}'"
        self.line.write(
            f"<iq type='get' id='roster' xmlns='{CLIENT}'><query xmlns='jabber:iq:roster'{known}/></iq>",
            _PRESENCE,
        )
        answer = self._until("iq", where=lambda iq: iq.get("id") == "roster")
        if len(answer):
            self.roster = answer[0].get("ver", "")

    def lose(self) -> None:
        """The network is gone: the connection ends without a word of the stream."""
        self.line.sock.close()

    def leave(self) -> None:
        """Ends its session."""
        self.line.close()
        with contextlib.suppress(ConnectionError):
            self.settle(5)
        self.line.sock.close()

    # -- being there ---------------------------------------------------------------------------------

    def send(self, *stanzas: str, ask: bool = False) -> None:
        """``ask``: whether they were handled; waits for that."""
        request = (f"<r xmlns='{SM}'/>",) if ask else ()
        self.line.write(*stanzas, *request)
        if ask:
            self._until("a", SM)

    def settle(self, quiet: float = 0.3, most: float = 60) -> int:
        """Until nothing has come for so long. Returns how many stanzas came."""
        end, stanzas = time.monotonic() + most, 0
        while time.monotonic() < end and (elements := self.line.read(quiet)):
            stanzas += sum(self._take(element) for element in elements)
        return stanzas

    def stay(self, seconds: float) -> None:
        """Answers for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for element in self.line.read(left):
                self._take(element)

    def _take(self, element: Element) -> bool:
        """Whether it was a stanza."""
        if element.tag == f"{{{SM}}}r":
            self.line.write(f"<a xmlns='{SM}' h='{self._handled}'/>")
        for enabled in element.iter(f"{{{SM}}}enabled"):
            self._resumption, self._handled = enabled.get("id", ""), 0
        if element.tag not in _STANZAS:
            return False
        if self._handled >= 0:
            self._handled += 1
        if element.get("type") == "get" and (query := element.find(_INFO)) is not None:
            self._describe(element, query)
        return True

    def _describe(self, iq: Element, query: Element) -> None:
        """XEP-0030 §3.1."""
        features = "".join(f"<feature var='{name}'/>" for name in _FEATURES)
        self.line.write(
            f"<iq xmlns='{CLIENT}' type='result' id='{iq.get('id')}' to='{iq.get('from')}'>"
            f"<query xmlns='http://jabber.org/protocol/disco#info' node='{query.get('node')}'>"
            f"<identity category='client' type='phone' name='Phone'/>{features}</query></iq>"
        )

    def _until(
        self,
        name: str,
        namespace: str = CLIENT,
        where: Callable[[Element], bool] = lambda element: True,
    ) -> Element:
        """Takes all that comes; waits for one."""
        tag = f"{{{namespace}}}{name}" if name != "features" else "{http://etherx.jabber.org/streams}features"
        for _ in range(1000):
            found = None
            for element in self.line.read(20):
                self._take(element)
                if element.tag == tag and where(element):
                    found = element
            if found is not None:
                return found
        raise TimeoutError(f"no <{name}/>")

    def wait_for(self, name: str, where: Callable[[Element], bool] = lambda element: True) -> Element:
        """The next stanza of a kind, or one for which ``where`` holds."""
        return self._until(name, where=where)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(element: Element) -> str:
    return base64.b64decode(element.text or "").decode()
