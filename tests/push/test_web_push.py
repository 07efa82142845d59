"""Web Push, from the message to what a browser decrypts: RFC 8030, 8291 and 8292 over HTTPS."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kith.base.secret import Secret
from kith.config import Config
from kith.push.carrier import Gone, Later, Wake
from kith.push.endpoints import Endpoints
from kith.push.pushing import Pushing
from kith.push.vapid import Vapid
from kith.push.web_push import WebPush
from tests.api.person import Device, Person
from tests.clocks import SetClock
from tests.conftest import RunningServer, running
from tests.federation.world import Authority
from tests.parts import room
from tests.push.rfc8291 import decrypt
from tests.push.service import Browser, PushService, check_vapid, push_service
from tests.raw import RawClient, online

WAKE = Wake(1, False, "topic")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[RunningServer]:
    data: Path = tmp_path_factory.mktemp("kith") / "data"
    with running(data, push_networks="127.0.0.0/8", push_ca=str(authority.file)) as it:
        it.add_user("ben")
        yield it
        assert "level=error" not in it.log.read_text()


@pytest.fixture
async def service(authority: Authority) -> AsyncIterator[PushService]:
    async with push_service(authority) as it:
        yield it


async def sleeping(server: RunningServer, service: PushService) -> tuple[Person, Device, Browser]:
    """Somebody whose only device has a subscription, and is not connected."""
    ada = Person(server)
    phone = await ada.register()
    browser = service.browser()
    await ada.done("PUT", "/api/push", browser.subscription(), phone)
    return ada, phone, browser


async def write(client: RawClient, to: str, text: str = "a secret") -> None:
    client.send(f"<message type='chat' to='{to}'><body>{text}</body></message>")
    await client.ping()


def test_the_tests_decrypt_the_example_of_the_standard() -> None:
    """RFC 8291 §5."""

    def decoded(text: str) -> bytes:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))

    number = int.from_bytes(decoded("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    body = decoded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w"
        "EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    private = ec.derive_private_key(number, ec.SECP256R1())
    assert (
        decrypt(body, private, decoded("BTBZMqHH6r4Tts7J_aSIgg"))
        == b"When I grow up, I want to be a watermelon"
    )


async def test_a_message_wakes_a_browser_and_says_nothing_of_who_or_what(
    server: RunningServer, service: PushService
) -> None:
    ada, phone, browser = await sleeping(server, service)
    state = (await ada.done("GET", "/api/push", device=phone)).body
    assert state["endpoint"] == browser.endpoint
    ben = await online(server.port, "ben")
    await write(ben, phone.login["address"])
    pushed = await service.push()
    assert browser.endpoint.endswith(pushed.path)
    assert browser.read(pushed.body) == {"call": False}
    headers = pushed.headers
    assert headers["Content-Encoding"] == "aes128gcm"
    assert (headers["Urgency"], int(headers["TTL"]) > 3600) == ("high", True)
    assert len(headers["Topic"]) <= 32
    claims = check_vapid(headers["Authorization"], state["public_key"])
    assert claims["aud"] == service.origin
    assert claims["sub"].startswith(("https:", "mailto:"))
    sent = repr((sorted(headers.items()), claims))
    assert phone.local not in sent
    assert "ben" not in sent
    await write(ben, phone.login["address"])
    await write(ben, phone.login["address"])
    assert service.pushes.empty()
    client = await phone.online(server.port)
    await client.ping()
    await write(ben, phone.login["address"], "while it is here")
    await asyncio.sleep(0.1)
    assert service.pushes.empty()
    client.send("</stream:stream>")
    await client.end()
    await write(ben, phone.login["address"], "after it has left")
    assert (await service.push()).path == pushed.path
    ben.abort()


async def test_a_call_looks_like_a_message_to_the_push_service(
    server: RunningServer, service: PushService
) -> None:
    sizes, looks = set(), set()
    ben = await online(server.port, "ben")
    for inner, call in (
        ("<body>hello</body>", False),
        ("<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", True),
    ):
        _, phone, browser = await sleeping(server, service)
        ben.send(f"<message type='chat' to='{phone.login['address']}'>{inner}</message>")
        pushed = await service.push()
        assert browser.read(pushed.body) == {"call": call}
        sizes.add(len(pushed.body))
        looks.add(tuple(pushed.headers[name] for name in ("TTL", "Urgency", "Content-Length")))
    assert len(sizes) == len(looks) == 1
    ben.abort()


async def test_a_subscription_that_is_gone_ends(server: RunningServer, service: PushService) -> None:
    ada, phone, _ = await sleeping(server, service)
    service.status = [(410, {})]
    ben = await online(server.port, "ben")
    await write(ben, phone.login["address"])
    await service.push()
    async with asyncio.timeout(10):
        while (await ada.done("GET", "/api/push", device=phone)).body["endpoint"]:
            await asyncio.sleep(0.05)
    ben.abort()


async def test_a_device_replaces_and_removes_its_own_subscription_alone(
    server: RunningServer, service: PushService
) -> None:
    ada, phone, _ = await sleeping(server, service)
    new = service.browser()
    await ada.done("PUT", "/api/push", new.subscription(), phone)
    ben = await online(server.port, "ben")
    await write(ben, phone.login["address"])
    assert new.endpoint.endswith((await service.push()).path)
    await ben.ping()
    assert service.pushes.empty()
    await ada.done("DELETE", "/api/push", device=phone)
    assert (await ada.done("GET", "/api/push", device=phone)).body["endpoint"] == ""
    assert (await ada.ask("PUT", "/api/push", new.subscription())).status == 401
    ben.abort()


async def test_a_device_that_was_revoked_is_not_woken(server: RunningServer, service: PushService) -> None:
    ada, phone, _ = await sleeping(server, service)
    other = await ada.register("tablet")
    await service.push()  # the server has told the account of the new device
    await ada.done("DELETE", f"/api/devices/{phone.login['device']}", device=other)
    ben = await online(server.port, "ben")
    await write(ben, phone.login["address"])
    await ben.ping()
    await asyncio.sleep(0.2)
    assert service.pushes.empty()
    ben.abort()


async def test_what_is_no_subscription_is_refused(server: RunningServer, service: PushService) -> None:
    ada, phone, browser = await sleeping(server, service)
    good = browser.subscription()
    for endpoint in (
        "http://localhost/x",
        "https://user:pw@localhost/x",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost:22/x",
        "https://localhost:99999/x",
        "file:///etc/passwd",
        "https:///x",
        "https://a b/",
    ):
        answer = await ada.ask("PUT", "/api/push", {**good, "endpoint": endpoint}, phone)
        assert (answer.status, answer.error) == (422, "invalid-subscription"), endpoint
    for keys in (
        {"p256dh": "AAAA", "auth": good["keys"]["auth"]},
        {"p256dh": "B" + "A" * 86, "auth": good["keys"]["auth"]},  # no point of the curve
        {"p256dh": good["keys"]["p256dh"], "auth": "AAAA"},
        {"p256dh": good["keys"]["p256dh"], "auth": "A"},
    ):
        answer = await ada.ask("PUT", "/api/push", {**good, "keys": keys}, phone)
        assert (answer.status, answer.error) == (422, "invalid-subscription"), keys


# -- the carrier alone ------------------------------------------------------------------------------------


ALLOWED = ("8.8.8.8", "2a00:1450:4001:81b::200e", "10.20.3.4")
REFUSED = (
    *("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1", "::127.0.0.1"),
    *("192.88.99.1", "3fff::1"),  # a relay of 6to4, and addresses for examples (RFC 9637)
)


@pytest.mark.parametrize(("text", "allowed"), [(a, True) for a in ALLOWED] + [(r, False) for r in REFUSED])
def test_only_the_internet_and_named_networks_are_connected_to(text: str, allowed: bool) -> None:
    endpoints = Endpoints(Config(push_networks=["10.20.0.0/16"]))
    assert endpoints.is_allowed(ipaddress.ip_address(text)) is allowed


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    tmp_path: Path, service: PushService, authority: Authority
) -> None:
    async with room(tmp_path, Pushing, WebPush, push_ca=authority.file) as there:
        carrier, browser = there.node.get(WebPush), service.browser()
        point = urlsafe_b64decode(browser.subscription()["keys"]["p256dh"] + "=")
        for host in ("localhost", "0x7f000001", "2130706433", "127.1"):
            endpoint = browser.endpoint.replace("localhost", host)
            registration = carrier.subscription("d", endpoint, point, browser.auth)
            with pytest.raises(Later) as caught:
                await carrier.push("ada@localhost", registration, WAKE)
            assert caught.value.mistake, host
    assert service.pushes.empty()


async def test_names_whose_servers_do_not_answer_take_no_threads(tmp_path: Path) -> None:
    """Clients make up the names, and everything else of the server shares the threads."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        endpoints = Endpoints(Config(dns_server=f"127.0.0.1:{silent.getsockname()[1]}"))
        async with endpoints.session() as session:
            before = threading.active_count()
            asked = [
                asyncio.create_task(session.post(f"https://silent{number}.example/push"))
                for number in range(60)
            ]
            silent.settimeout(10)
            await asyncio.to_thread(silent.recv, 512)  # they are under way
            assert threading.active_count() <= before + 1  # the one that this test waits on
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "seconds", "mistake"),
    [
        (404, {}, Gone, 0, False),
        (410, {}, Gone, 0, False),
        (429, {"Retry-After": "120"}, Later, 120, False),
        (503, {}, Later, 0, False),
        (503, {"Retry-After": "Fri, 15 Jan 2027 08:02:00 GMT"}, Later, 120, False),
        (500, {"Retry-After": "nonsense"}, Later, 0, False),
        (400, {}, Later, 0, True),
        (403, {}, Later, 0, True),
        (413, {}, Later, 0, True),
        (307, {"Location": "https://localhost/elsewhere"}, Later, 0, True),
    ],
)
async def test_what_an_answer_means(
    tmp_path: Path,
    service: PushService,
    authority: Authority,
    status: int,
    headers: dict[str, str],
    outcome: type[Exception],
    seconds: float,
    mistake: bool,
) -> None:
    clock = SetClock(1.8e9)  # 2027-01-15 08:00:00 UTC
    given = {"push_ca": authority.file, "push_networks": ["127.0.0.1"]}
    async with room(tmp_path, Pushing, WebPush, clock=clock, **given) as there:
        carrier, browser = there.node.get(WebPush), service.browser()
        point = urlsafe_b64decode(browser.subscription()["keys"]["p256dh"] + "=")
        registration = carrier.subscription("d", browser.endpoint, point, browser.auth)
        service.status = [(status, headers)]
        with pytest.raises(outcome) as caught:
            await carrier.push("ada@localhost", registration, WAKE)
        if isinstance(caught.value, Later):
            assert (caught.value.seconds, caught.value.mistake) == (seconds, mistake)
        await carrier.push("ada@localhost", registration, WAKE)  # 201
        assert service.pushes.qsize() == 2


async def test_a_certificate_that_nobody_vouches_for_is_not_pushed_to(
    tmp_path: Path, service: PushService
) -> None:
    async with room(tmp_path, Pushing, WebPush, push_networks=["127.0.0.1"]) as there:
        carrier, browser = there.node.get(WebPush), service.browser()
        point = urlsafe_b64decode(browser.subscription()["keys"]["p256dh"] + "=")
        with pytest.raises(Later):
            await carrier.push("a@b", carrier.subscription("d", browser.endpoint, point, browser.auth), WAKE)
    assert service.pushes.empty()


def test_the_key_stays_and_subscriptions_of_a_former_secret_still_work() -> None:
    clock = SetClock()
    first = Vapid(Secret(b"a" * 32), clock, "https://x")
    assert Vapid(Secret(b"a" * 32), clock, "https://x").public_key == first.public_key
    former = {"vapid": {0: Secret(b"a" * 32).key("vapid")}}
    second = Vapid(Secret(b"b" * 32, 1, former), clock, "https://x")
    assert second.public_key != first.public_key
    check_vapid(second.authorization("https://push.example", 0), first.public_key)
    check_vapid(second.authorization("https://push.example", 1), second.public_key)
    assert not Vapid(Secret(b"b" * 32, 1), clock, "https://x").knows(0)


def test_a_token_is_used_again_and_renewed_before_it_ends() -> None:
    clock = SetClock()
    vapid = Vapid(Secret(b"a" * 32), clock, "https://x")
    first = vapid.authorization("https://push.example", 0)
    assert vapid.authorization("https://push.example", 0) == first
    for _ in range(20):
        clock.forward(3600)
        claims = check_vapid(vapid.authorization("https://push.example", 0), vapid.public_key)
        assert 3600 <= claims["exp"] - clock.now() <= 24 * 3600
