"""FCM and APNs: native apps are woken, and the services learn nothing of who or what."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kith.base.clock import Clock
from kith.commands.finding import Verdict
from kith.commands.push import check_push
from kith.config import Config, ConfigError
from kith.config.rules import check
from kith.push.apns import Apns
from kith.push.carrier import Gone, Later, Wake
from kith.push.fcm import Fcm
from kith.push.native import NativeError
from kith.push.native_apps import CARRIERS
from kith.push.registration import Registration
from tests.api.person import Person
from tests.clocks import SetClock
from tests.conftest import running
from tests.federation.world import Authority
from tests.push.service import Browser, unbase64url
from tests.push.test_commands import _kith
from tests.push.test_web_push import write
from tests.push.vendors import PROJECT, TOPIC, Vendors, fcm_error, vendors
from tests.raw import online

ANDROID, IPHONE = "dX9:APA91bH-token_of_an_app", "ab" * 32
WAKE = Wake(3, True, "topic")
FCM, APNS = Registration("fcm", "fcm", ANDROID), Registration("apns", "apns", IPHONE)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def there(authority: Authority, tmp_path: Path) -> AsyncIterator[Vendors]:
    async with vendors(authority, tmp_path) as one:
        yield one


def config(there: Vendors, authority: Authority, **more: Any) -> Config:
    found: dict[str, Any] = dict(there.settings())
    for name in ("push_fcm_key", "push_apns_key"):
        found[name] = Path(found[name])
    return Config(**(found | {"push_ca": authority.file, "federation": True} | more))


@pytest.fixture(params=[Fcm, Apns])
async def either(
    request: pytest.FixtureRequest, there: Vendors, authority: Authority
) -> AsyncIterator[Fcm | Apns]:
    carrier = request.param(config(there, authority), Clock())
    yield carrier
    await carrier.stop()


def of(carrier: Fcm | Apns) -> Registration:
    return FCM if isinstance(carrier, Fcm) else APNS


async def failure(carrier: Fcm | Apns, registration: Registration) -> Gone | Later:
    with pytest.raises((Gone, Later)) as caught:
        await carrier.push("ada@localhost", registration, WAKE)
    assert isinstance(caught.value, Gone | Later)
    return caught.value


# -- what is sent -----------------------------------------------------------------------------------------


async def test_a_push_goes_over_http2_and_says_nothing_of_who_or_what(
    there: Vendors, either: Fcm | Apns
) -> None:
    seen = []
    for wake in (Wake(1, False, "one"), Wake(70, True, "two")):
        await either.push("ada@localhost", of(either), wake)
        pushed = await there.push()
        assert pushed.device == of(either).node
        headers = {name: value for name, value in pushed.headers.items() if name != "apns-expiration"}
        assert "ada" not in json.dumps([headers, pushed.body]).replace(there.origin, "")
        seen.append((pushed.body, headers))
    assert seen[0] == seen[1]  # a call looks like a message, and one like many
    assert there.http == {"2"}


async def test_an_app_that_gave_keys_is_told_of_a_call_and_nobody_else(
    there: Vendors, either: Fcm | Apns
) -> None:
    app = Browser("")
    keys = app.subscription()["keys"]
    key, auth = unbase64url(keys["p256dh"]), unbase64url(keys["auth"])
    plain = of(either)
    registration = Registration(plain.carrier, plain.service, plain.node, key=key, auth=auth)
    sizes = set()
    for call in (True, False):
        await either.push("ada@localhost", registration, Wake(1, call, "topic"))
        body = (await there.push()).body
        sealed = body["data"]["push"] if isinstance(either, Fcm) else body["push"]
        assert app.read(unbase64url(sealed)) == {"call": call}
        sizes.add(len(json.dumps(body)))
    assert len(sizes) == 1


async def test_a_newer_push_replaces_one_that_the_device_has_not_got(
    there: Vendors, either: Fcm | Apns
) -> None:
    await either.push("ada@localhost", of(either), WAKE)
    pushed = await there.push()
    if isinstance(either, Fcm):
        assert pushed.body["android"] == {"priority": "HIGH", "ttl": "604800s", "collapse_key": "new"}
    else:
        assert pushed.headers["apns-collapse-id"] == "new"
        assert (pushed.headers["apns-push-type"], pushed.headers["apns-priority"]) == ("alert", "10")
        assert pushed.body["aps"]["mutable-content"] == 1


async def test_apps_in_development_are_woken_by_the_sandbox(there: Vendors, authority: Authority) -> None:
    carrier = Apns(config(there, authority), Clock())
    await carrier.push("ada@localhost", Registration("apns", "apns-sandbox", IPHONE), WAKE)
    assert (await there.push()).service == "apns-sandbox"
    await carrier.stop()


# -- tokens of the server ---------------------------------------------------------------------------------


async def test_one_token_serves_many_pushes(there: Vendors, either: Fcm | Apns) -> None:
    await asyncio.gather(*(either.push("ada@localhost", of(either), WAKE) for _ in range(50)))
    assert there.pushes.qsize() == 50
    assert (there.tokens if isinstance(either, Fcm) else len(there.providers)) == 1


async def test_an_expired_token_is_renewed_once_for_all_pushes(there: Vendors, either: Fcm | Apns) -> None:
    await either.push("ada@localhost", of(either), WAKE)
    token = (await there.push()).headers["authorization"].split()[1]
    there.expired.add(token)
    await asyncio.gather(*(either.push("ada@localhost", of(either), WAKE) for _ in range(20)))
    used = {(await there.push()).headers["authorization"].split()[1] for _ in range(20)}
    assert len(used) == 1
    assert token not in used
    # one that is refused again is not renewed again: services punish that
    there.expired |= used
    error = await failure(either, of(either))
    assert isinstance(error, Later)
    assert not error.mistake
    assert (there.tokens if isinstance(either, Fcm) else len(there.providers)) == 2


async def test_tokens_are_renewed_before_they_end(there: Vendors, authority: Authority) -> None:
    clock = SetClock(time.time())
    fcm, apns = Fcm(config(there, authority), clock), Apns(config(there, authority), clock)
    first = await fcm._tokens.get(), await apns._tokens.get()
    clock.forward(49 * 60)
    assert (await fcm._tokens.get(), await apns._tokens.get()) == first
    clock.forward(7 * 60)
    later = await fcm._tokens.get(), await apns._tokens.get()
    assert all(new != old for new, old in zip(later, first, strict=True))
    await fcm.stop()
    await apns.stop()


async def test_a_service_account_that_google_refuses_does_not_end_registrations(
    there: Vendors, authority: Authority
) -> None:
    there.refuses_account = True
    carrier = Fcm(config(there, authority), Clock())
    error = await failure(carrier, FCM)
    assert isinstance(error, Later)
    assert not error.mistake
    assert "Invalid JWT Signature" in str(error)
    await carrier.stop()


# -- answers ----------------------------------------------------------------------------------------------

_QUOTA = fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")


@pytest.mark.parametrize(
    ("carrier", "answer", "expected"),
    [
        (Fcm, (404, {}, fcm_error(404, "NOT_FOUND", "UNREGISTERED")), Gone),
        (Fcm, (403, {}, fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")), Gone),
        (Fcm, (404, {}, {"error": {"code": 404, "status": "NOT_FOUND"}}), (0, False)),
        (Fcm, (403, {}, {"error": {"code": 403, "status": "PERMISSION_DENIED"}}), (0, False)),
        (Fcm, (400, {}, fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")), (0, True)),
        (
            Fcm,
            (429, {"Retry-After": "7"}, _QUOTA),
            (7, False),
        ),
        (Fcm, (429, {}, _QUOTA), (60, False)),
        (Fcm, (503, {"Retry-After": "120"}, fcm_error(503, "UNAVAILABLE", "UNAVAILABLE")), (120, False)),
        (Fcm, (500, {}, {"error": "not what was expected"}), (0, False)),
        (Apns, (410, {}, {"reason": "Unregistered", "timestamp": 2_000_000}), Gone),
        (Apns, (410, {}, {"reason": "ExpiredToken"}), Gone),
        (Apns, (410, {}, {"reason": "Unregistered", "timestamp": 500_000}), (0, True)),
        (Apns, (400, {}, {"reason": "BadDeviceToken"}), Gone),
        (Apns, (400, {}, {"reason": "DeviceTokenNotForTopic"}), Gone),
        (Apns, (400, {}, {"reason": "TopicDisallowed"}), (0, False)),
        (Apns, (403, {}, {"reason": "InvalidProviderToken"}), (0, False)),
        (Apns, (400, {}, {"reason": "BadPriority"}), (0, True)),
        (Apns, (429, {"Retry-After": "9"}, {"reason": "TooManyRequests"}), (9, False)),
        (Apns, (429, {}, {"reason": "TooManyProviderTokenUpdates"}), (0, False)),
        (Apns, (503, {"Retry-After": "120"}, {"reason": "Shutdown"}), (120, False)),
        (Apns, (500, {}, {}), (0, False)),
    ],
)
async def test_what_an_answer_means(
    there: Vendors, authority: Authority, carrier: Any, answer: Any, expected: Any
) -> None:
    there.answers = [answer]
    one = carrier(config(there, authority), Clock())
    registration = of(one)
    registration.made = 1000.0
    error = await failure(one, registration)
    if expected is Gone:
        assert isinstance(error, Gone)
    else:
        assert isinstance(error, Later)
        assert (error.seconds, error.mistake) == expected
    assert str(answer[0]) in str(error)
    await one.stop()


async def test_a_service_that_is_not_there_is_tried_again(there: Vendors, authority: Authority) -> None:
    lost = {"push_apns_url": "https://localhost:1"}
    carrier = Apns(config(there, authority, **lost), Clock())
    error = await failure(carrier, APNS)
    assert isinstance(error, Later)
    assert not error.mistake
    await carrier.stop()


async def test_a_certificate_that_nobody_vouches_for_is_not_pushed_to(there: Vendors) -> None:
    settings: dict[str, Any] = dict(there.settings())
    settings["push_apns_key"] = Path(settings["push_apns_key"])
    settings["push_fcm_key"] = None
    carrier = Apns(Config(**settings), Clock())
    assert isinstance(await failure(carrier, APNS), Later)
    assert there.pushes.empty()
    await carrier.stop()


# -- settings, and what operators see ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("push_fcm_key", "no json", "service account"),
        ("push_fcm_key", "[]", "service account"),
        ("push_fcm_key", '{"project_id": "x"}', "service account"),
        ("push_apns_key", "no key", "can't be used"),
    ],
)
async def test_a_key_that_can_not_be_used_is_named(
    there: Vendors, authority: Authority, name: str, content: str, reason: str
) -> None:
    made = config(there, authority)
    getattr(made, name).write_text(content)
    with pytest.raises(NativeError, match=reason):
        (Fcm if name == "push_fcm_key" else Apns)(made, Clock())
    found = await check_push(made, False, False)
    assert [one.verdict for one in found] == [Verdict.BAD]


@pytest.mark.parametrize(
    "settings",
    [
        {"push_apns_key_id": ""},
        {"push_apns_team_id": ""},
        {"push_apns_topic": ""},
        {"push_fcm_url": "http://fcm.example"},
        {"push_apns_url": "nonsense"},
    ],
)
async def test_settings_that_can_not_work_are_refused(
    there: Vendors, authority: Authority, settings: dict[str, Any]
) -> None:
    made = config(there, authority, **settings)
    with pytest.raises(ConfigError, match="push_"):
        check(made, dict.fromkeys(made.__struct_fields__, "a test"))


async def test_the_doctor_asks_the_services_whether_they_accept_the_keys(
    there: Vendors, authority: Authority
) -> None:
    made = config(there, authority)
    found = await check_push(made, False, False)
    assert [one.verdict for one in found] == [Verdict.GOOD, Verdict.GOOD]
    assert PROJECT in found[0].text
    assert TOPIC in found[1].text
    assert there.pushes.empty()
    there.refuses_account = True
    wrong = await check_push(config(there, authority, push_apns_topic="org.example.other"), False, False)
    assert wrong[0].verdict is Verdict.BAD


async def test_native_apps_register_are_woken_and_end_with_the_server_running(
    there: Vendors, authority: Authority, tmp_path: Path
) -> None:
    settings = there.settings() | {"push_ca": str(authority.file)}
    with running(tmp_path / "data", **settings) as server:
        server.add_user("ben")
        ada = Person(server)
        phone = await ada.register()
        state = (await ada.done("GET", "/api/push", device=phone)).body
        assert state["native"] == list(CARRIERS)
        for wrong in (
            {"service": "fcm", "token": "short"},
            {"service": "fcm", "token": "a" * 30 + "\n"},
            {"service": "apns", "token": "not hexadecimal at all"},
            {"service": "web", "token": "a" * 30},
            {"service": "apns", "token": IPHONE, "keys": {"p256dh": "AAAA", "auth": "AAAA"}},
        ):
            assert (await ada.ask("PUT", "/api/push/native", wrong, phone)).status in (400, 422)
        await ada.done("PUT", "/api/push/native", {"service": "fcm", "token": ANDROID}, phone)
        ben = await online(server.port, "ben")
        await write(ben, phone.login["address"])
        pushed = await there.push()
        assert pushed.device == ANDROID
        assert phone.local not in json.dumps(pushed.body)
        # another token of the device replaces the first, also one of another service
        await ada.done("PUT", "/api/push/native", {"service": "apns", "token": IPHONE}, phone)
        assert (await ada.done("GET", "/api/push", device=phone)).body["token"] == IPHONE
        done = await _kith(server, "push", "test", phone.login["address"])
        assert (done.returncode, "apns" in done.stdout, "fcm" in done.stdout) == (0, True, False)
        assert (await there.push()).device == IPHONE
        # the app was removed
        client = await phone.online(server.port)
        client.send("</stream:stream>")
        await client.end()
        there.answers = [(410, {}, {"reason": "Unregistered"})]
        await write(ben, phone.login["address"])
        await there.push()
        async with asyncio.timeout(15):
            while (await ada.done("GET", "/api/push", device=phone)).body["token"]:
                await asyncio.sleep(0.05)
        ben.abort()
