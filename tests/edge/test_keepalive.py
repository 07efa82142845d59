"""RFC 6120 §4.6: who is gone without a word is found, and who sleeps is left in peace."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from kith.edge.listeners import keep_alive
from tests.conftest import RunningServer, running
from tests.core.test_websocket import WebClient
from tests.raw import CLIENT, Gone, RawClient, authenticate, body, condition, online, plain

AFTER = 0.8
SM = "urn:xmpp:sm:3"
ENABLE = f"<enable xmlns='{SM}' resume='true'/>"
INACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>"
#: How much earlier than asked for a turn of the wheel may come.
EARLY = 0.9


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Asks soon, but waits long for the answer."""
    folder = tmp_path_factory.mktemp("patient") / "data"
    with running(folder, ping_after=str(AFTER), ping_timeout="60") as server:
        server.add_user("ada")
        yield server


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Does not wait long for the answer, but long enough for a busy machine."""
    folder = tmp_path_factory.mktemp("strict") / "data"
    with running(folder, ping_after=str(AFTER), ping_timeout="2") as server:
        for name in ("ada", "ben"):
            server.add_user(name)
        yield server


def is_ping(element: Element) -> bool:
    return element.find("{urn:xmpp:ping}ping") is not None


def is_question(element: Element) -> bool:
    return is_ping(element) or element.tag == f"{{{SM}}}r"


async def enable(client: RawClient) -> str:
    """Turns stream management on. Returns the token for the resumption."""
    client.send(ENABLE)
    return (await client.tag("enabled")).get("id") or ""


async def silence(client: RawClient) -> float:
    """How long the client, from now on silent, is left in peace. A busy machine only adds to it."""
    while True:
        began = time.monotonic()
        await settled(client)
        client.inbox = [element for element in client.inbox if not is_question(element)]  # of before
        if time.monotonic() - began < AFTER / 2:
            break
    await client.take(is_question, timeout=30)
    return time.monotonic() - began


# -- who is asked, and when ------------------------------------------------------------------------------


async def test_a_silent_client_is_asked_and_stays_if_it_answers(patient: RunningServer) -> None:
    client = await online(patient.port, "ada")
    for _ in range(3):
        ping = await client.take(is_ping)
        client.send(f"<iq type='result' id='{ping.get('id')}' to='{ping.get('from')}'/>")
    await client.ping()
    client.abort()


async def test_stream_management_asks_with_its_own_word(patient: RunningServer) -> None:
    client = await online(patient.port, "ada")
    await enable(client)
    for _ in range(2):
        assert (await client.take(is_question)).tag == f"{{{SM}}}r"
        client.send(f"<a xmlns='{SM}' h='0'/>")
    await client.ping()
    client.abort()


async def test_each_reason_for_patience_doubles_it(patient: RunningServer) -> None:
    plain = await online(patient.port, "ada")
    resumable = await online(patient.port, "ada", presence=None)
    inactive = await online(patient.port, "ada", presence=None)
    await enable(resumable)
    await enable(inactive)
    inactive.send(INACTIVE)
    clients = (plain, resumable, inactive)
    first, second, third = await asyncio.gather(*(silence(client) for client in clients))
    assert first > AFTER * EARLY
    assert second > 2 * AFTER * EARLY
    assert third > 4 * AFTER * EARLY
    for client in clients:
        client.abort()


async def test_a_phone_is_known_by_what_it_announces(patient: RunningServer) -> None:
    client = await online(
        patient.port, "ada", presence="<c xmlns='http://jabber.org/protocol/caps' hash='x' node='n' ver='v'/>"
    )
    question = await client.take(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "get")
    client.send(
        f"<iq type='result' id='{question.get('id')}' to='ada@localhost'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'>"
        "<identity category='client' type='phone' name='x'/></query></iq>"
    )
    await settled(client)
    assert await silence(client) > 2 * AFTER * EARLY
    client.abort()


async def test_a_phone_is_known_by_its_user_agent(patient: RunningServer) -> None:
    async with RawClient(patient.port) as client:
        login = authenticate(
            "ada", inline="<bind xmlns='urn:xmpp:bind:0'/>", agent="d4565fa7-4d72-4749-b3d3-740edbf87770"
        )
        client.open(then=login.replace("<device>Test</device>", "<device>iPhone of Ada</device>"))
        await client.succeeded()
        assert await silence(client) > 2 * AFTER * EARLY


async def settled(client: RawClient) -> None:
    """What was sent before is handled. (A ping would be a sign of life.)"""
    await client.result("get", "<time xmlns='urn:xmpp:time'/>", "localhost")


async def questions(client: RawClient, sign: str, every: float, times: int, patience: float) -> list[Element]:
    """What a client was asked that shows itself so often; again if this machine was too slow for it."""
    for _ in range(5):
        client.send(sign)
        await settled(client)
        client.inbox.clear()
        shown = time.monotonic()
        longest = 0.0
        for _ in range(times):
            await asyncio.sleep(every)
            client.send(sign)
            longest, shown = max(longest, time.monotonic() - shown), time.monotonic()
        await settled(client)
        if longest < patience * EARLY:
            break
    return [e for e in client.inbox if is_question(e)]


@pytest.mark.parametrize("sign", [" ", "\n", "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"])
async def test_who_shows_itself_often_is_never_asked(patient: RunningServer, sign: str) -> None:
    client = await online(patient.port, "ada")
    assert not await questions(client, sign, every=AFTER / 8, times=30, patience=AFTER)
    client.abort()


@pytest.mark.parametrize("sign", [" ", "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"])
async def test_who_shows_itself_rarely_tells_its_interval_and_is_never_asked_again(
    patient: RunningServer, sign: str
) -> None:
    client = await online(patient.port, "ada")
    for _ in range(2):
        client.send(sign)
        await asyncio.sleep(2 * AFTER)
    assert [e for e in client.inbox if is_question(e)]
    assert not await questions(client, sign, every=2 * AFTER, times=3, patience=3 * AFTER)
    client.abort()


async def test_nobody_is_asked_if_the_setting_says_so(tmp_path: Path) -> None:
    with running(tmp_path / "data", ping_after="0", ping_timeout="0.1", proxy_timeout="0.1") as server:
        server.add_user("ada")
        client = await online(server.port, "ada")
        await asyncio.sleep(2)
        assert not client.inbox
        await client.ping()
        client.abort()


# -- who is gone -----------------------------------------------------------------------------------------


def unplug(client: RawClient) -> None:
    """From now on the client's kernel ignores what comes: half-open, no FIN, no RST, no ACK."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # return 0: drop it
    filter = struct.pack("HL", 1, ctypes.addressof(program))
    raw = client._writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, 26, filter)  # SO_ATTACH_FILTER


class Awake(RawClient):
    """Answers all questions of the server as they come: it stays, however slow the machine is."""

    def arrived(self, element: Element) -> None:
        if is_ping(element) and element.get("type") == "get":
            self.send(f"<iq type='result' id='{element.get('id')}' to='{element.get('from')}'/>")
        elif is_question(element):
            self.send(f"<a xmlns='{SM}' h='0'/>")
        else:
            super().arrived(element)


async def awake(server: RunningServer, user: str, resource: str = "") -> Awake:
    """One that is available."""
    client = Awake(server.port)
    await client.connect()
    await client.login(user)
    await client.bind(resource)
    await client.available()
    return client


async def gone(server: RunningServer, client: RawClient) -> None:
    """Waits until the server has let go of the connection."""
    async with asyncio.timeout(60):
        while connected(server, client):
            await asyncio.sleep(0.1)


def connected(server: RunningServer, client: RawClient) -> bool:
    """Whether the server holds its end of the connection."""
    port = client._writer.get_extra_info("sockname")[1]
    connections = psutil.Process(server.pid).net_connections("tcp")
    return any(end.raddr and end.raddr.port == port for end in connections)


def say(client: RawClient, text: str) -> None:
    client.send(f"<message to='ada@localhost/phone' type='chat'><body>{text}</body></message>")


async def test_a_peer_that_vanished_is_found(strict: RunningServer) -> None:
    ghost, friend = await awake(strict, "ada"), await awake(strict, "ada")
    unplug(ghost)
    assert connected(strict, ghost)
    await gone(strict, ghost)
    await friend.take(lambda e: e.get("from") == ghost.jid and e.get("type") == "unavailable")
    friend.abort()
    ghost.abort()


async def test_who_does_not_answer_is_told_and_cut_off(strict: RunningServer) -> None:
    client = await online(strict.port, "ada")
    await client.take(is_ping)
    assert condition(await client.tag("error")) == "connection-timeout"
    await client.end()


async def test_a_session_that_can_be_resumed_waits_and_loses_nothing(strict: RunningServer) -> None:
    phone, friend = await awake(strict, "ada", "phone"), await awake(strict, "ben")
    tablet = await awake(strict, "ada", "tablet")
    token = await enable(phone)
    unplug(phone)
    say(friend, "into the dark")
    await gone(strict, phone)
    say(friend, "and later")
    await friend.ping()
    assert not [e for e in tablet.inbox if e.get("type") == "unavailable"]
    async with Awake(strict.port) as again:
        await again.login("ada")
        again.send(f"<resume xmlns='{SM}' previd='{token}' h='0'/>")
        await again.tag("resumed")
        assert [body(await again.message()) for _ in range(2)] == ["into the dark", "and later"]
        await again.expect_nothing()
    for client in (friend, tablet, phone):
        client.abort()


async def test_who_has_logged_in_and_binds_nothing_does_not_stay_for_ever(strict: RunningServer) -> None:
    async with RawClient(strict.port) as client:
        await client.login("ada")
        assert condition(await client.tag("error")) == "connection-timeout"


# -- WebSocket -------------------------------------------------------------------------------------------


async def web_session(server: RunningServer, secure: bool, **headers: str) -> WebLine:
    line = await WebLine.connect(server, secure, headers)
    await line.login("ada")
    return line


class WebLine:
    """A WebSocket that answers a ping only when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._web = ClientProtocol(
            parse_uri("ws://localhost/xmpp-websocket"),
            subprotocols=["xmpp"],  # type: ignore[list-item]
        )

    @classmethod
    async def connect(cls, server: RunningServer, secure: bool, headers: dict[str, str]) -> WebLine:
        tls = ssl.create_default_context() if secure else None
        if tls is not None:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        port = server.https_port if secure else server.http_port
        line = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))
        request = line._web.connect()
        for name, value in headers.items():
            request.headers[name] = value
        line._web.send_request(request)
        await line.until(lambda event: isinstance(event, Response))
        return line

    async def until(self, matches: Callable[[object], object], timeout: float = 60) -> None:
        async with asyncio.timeout(timeout):
            while True:
                self._writer.write(b"".join(self._web.data_to_send()))
                data = await self._reader.read(65536)
                if not data:
                    raise Gone
                self._web.receive_data(data)
                found = [event for event in self._web.events_received() if matches(event)]
                self._web.data_to_send()  # no pong
                if found:
                    return

    async def say(self, text: str, answer: str) -> None:
        self._web.send_text(text.encode())
        await self.until(lambda event: isinstance(event, Frame) and answer.encode() in bytes(event.data))

    async def login(self, user: str) -> None:
        opened = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
        bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
        auth = f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain(user, 'pw')}</auth>"
        await self.say(opened, "features>")
        await self.say(auth, "<success")
        await self.say(opened, "features>")
        await self.say(f"<iq xmlns='jabber:client' type='set' id='b'>{bind}</iq>", "jid>")

    async def ping(self, timeout: float = 60) -> None:
        """Waits until a ping frame comes."""
        await self.until(lambda event: isinstance(event, Frame) and event.opcode is Opcode.PING, timeout)

    def pong(self) -> None:
        self._web.send_pong(b"")
        self._writer.write(b"".join(self._web.data_to_send()))

    def abort(self) -> None:
        self._writer.transport.abort()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Has, perhaps, a proxy before it that is quick to cut."""
    folder = tmp_path_factory.mktemp("behind") / "data"
    with running(folder, ping_after="600", proxy_timeout="1") as server:
        server.add_user("ada")
        yield server


@pytest.mark.parametrize(("secure", "headers"), [(True, {"X-Forwarded-For": "192.0.2.1"}), (False, {})])
async def test_a_websocket_behind_a_proxy_is_pinged_before_it_is_cut(
    behind: RunningServer, secure: bool, headers: dict[str, str]
) -> None:
    line = await web_session(behind, secure, **headers)
    for _ in range(3):
        await line.ping()
        line.pong()
    line.abort()


async def test_a_websocket_without_a_proxy_is_left_in_peace(behind: RunningServer) -> None:
    line = await web_session(behind, secure=True)
    with pytest.raises(TimeoutError):
        await line.ping(timeout=3)
    line.abort()


async def test_a_websocket_without_an_answer_is_cut_off_and_a_browser_answers(strict: RunningServer) -> None:
    mute = await web_session(strict, True)
    url = f"ws://127.0.0.1:{strict.http_port}/xmpp-websocket"
    async with connect(url, subprotocols=["xmpp"], ping_interval=None) as browser:  # type: ignore[list-item]
        client = WebClient(browser)
        await client.login("ada")
        with pytest.raises(Gone):
            await mute.until(lambda _: False)
        await client.send("<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
        await client.take("iq")


def test_the_kernel_looks_for_whom_it_accepts() -> None:
    """Each connection has it from the socket that listens, without a call of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        keep_alive(listener, 1234.5)
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1235
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 30
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
            assert not client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
