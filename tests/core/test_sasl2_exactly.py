"""SASL2 (XEP-0388) and tokens (XEP-0484) to the last attribute, in a node of this process."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from kith.core.login.sasl2 import named_account
from kith.records.device import LIFETIME, ROTATE_AFTER, Changed, Device
from kith.wire.errors import StreamError
from tests.core.line import AGENT, SASL2, Line, There, agent, by_token, house, names, password, why

FAST = "{urn:xmpp:fast:0}"
REQUEST = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
BIND = "<bind xmlns='urn:xmpp:bind:0'/>"
DAY = 86400


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with house(tmp_path) as made:
        yield made


async def devices(there: There, account: int = 1) -> list[Device]:
    return list((await there.node.entrance.devices.all(account)).values())


async def token(there: There, inside: str = REQUEST) -> str:
    line = Line(there.node)
    success = await line.logs_in(inside, about=agent())
    return success.find(f"{FAST}token").get("token") or ""  # type: ignore[union-attr]


async def attempt(there: There, request: str, binding: bytes = b"") -> tuple[str, str]:
    """Why a login fails; nothing if it does not."""
    line = await there.line(binding=binding)
    (answer, *_) = await line.says(request)
    return ("", "") if answer.tag == SASL2 + "success" else why(answer)


# -- requests and answers ---------------------------------------------------------------------------------


async def test_a_success_names_the_account_and_nothing_else_that_was_not_asked_for(there: There) -> None:
    line = await there.line("ann@localhost")
    success, features = await line.says(password())
    assert names(success) == ["authorization-identifier"]
    assert success[0].text == "ann@localhost"
    assert features.tag.endswith("}features")
    assert line.stream.authenticated
    assert there.results() == {("PLAIN", "success"): 1}
    assert await devices(there) == []


async def test_a_second_request_while_one_is_under_way_ends_the_stream(there: There) -> None:
    line = await there.line()
    (challenge,) = await line.says("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>")
    assert (challenge.tag, challenge.text) == (SASL2 + "challenge", None)
    (error,) = await line.says(password())
    assert why(error) == ("not-authorized", "authentication is under way")


@pytest.mark.parametrize(
    ("id", "known"),
    [(AGENT, True), (AGENT.upper(), True), (f"{{{AGENT}}}", True), ("", False), ("phone", False)],
)
async def test_a_user_agent_has_a_uuid_or_no_id(there: There, id: str, known: bool) -> None:
    line = await there.line()
    (answer, *_) = await line.says(password(about=f"<user-agent id='{id}'/>"))
    if id == "phone":
        assert why(answer) == ("malformed-request", "the id of a user agent is a UUID")
        assert there.results() == {("other", "malformed-request"): 1}
    else:
        assert answer.tag == SASL2 + "success"
    assert len(await devices(there)) == known
    assert all(one.id == there.node.entrance.devices.id(1, str(UUID(AGENT))) for one in await devices(there))


async def test_a_user_agent_without_an_id_is_no_device(there: There) -> None:
    line = await there.line()
    (answer, *_) = await line.says(password(about="<user-agent><software>Test</software></user-agent>"))
    assert answer.tag == SASL2 + "success"
    assert await devices(there) == []


async def test_what_a_device_says_of_itself_is_kept_safe_to_be_shown(there: There) -> None:
    await Line(there.node).logs_in(about=agent(software="Te\u202est", device="  Ann's \u200b phone "))
    (device,) = await devices(there)
    assert (device.software, device.name) == ("Te st", "Ann's phone")
    assert (device.created, device.used) == (there.clock.time, there.clock.time)
    there.clock.forward(2 * 3600)
    await Line(there.node).logs_in(about=f"<user-agent id='{AGENT}'/>")
    (device,) = await devices(there)
    assert (device.software, device.name, device.used) == ("Te st", "Ann's phone", there.clock.time)


async def test_the_header_and_the_login_are_of_one_account(there: There) -> None:
    line = await there.line("ben@localhost")
    (failure,) = await line.says(password())
    assert why(failure) == ("invalid-authzid", "the stream's header names another account")
    assert not line.stream.authenticated


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, ""),
        ("", ""),
        ("Ann@LOCALHOST/phone", "ann@localhost"),
        ("localhost", ""),
        ("a@b@c", ""),
        ("ann@elsewhere.example", None),
        ("elsewhere.example", None),
    ],
)
async def test_a_header_names_an_account_of_this_domain_or_none(
    there: There, text: str | None, named: str | None
) -> None:
    if named is not None:
        assert named_account(there.node.domain, text) == named
        return
    with pytest.raises(StreamError) as error:
        named_account(there.node.domain, text)
    assert error.value.condition == "invalid-from"


@pytest.mark.parametrize("request_", [password(), by_token("x")])
async def test_without_encryption_nobody_logs_in(there: There, request_: str) -> None:
    line = Line(there.node, trusted=False)
    await line.open()
    (failure,) = await line.says(request_)
    assert why(failure)[0] == "encryption-required"


async def test_a_connection_that_is_lost_while_it_logs_in_has_no_session_and_is_told_nothing(
    there: There,
) -> None:
    line = await there.line()
    devices = there.node.entrance.devices
    enter = devices.enter

    async def lost(account: int, agent: str, credential: str = "") -> object:
        line.stream.lost()
        return await enter(account, agent, credential)

    devices.enter = lost  # type: ignore[method-assign,assignment]
    assert await line.says(password(BIND, about=agent())) == []
    assert there.node.accounts.sessions("ann@localhost") == []
    assert there.results() == {}
    assert not line.stream.authenticated


# -- tokens -----------------------------------------------------------------------------------------------


async def test_a_token_comes_with_the_time_when_it_expires(there: There) -> None:
    success = await Line(there.node).logs_in(REQUEST, about=agent())
    assert names(success) == ["authorization-identifier", "token"]
    found = success.find(f"{FAST}token")
    assert found is not None
    expires = datetime.fromtimestamp(there.clock.time + LIFETIME, UTC)
    assert found.get("expiry") == expires.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert await attempt(there, by_token(found.get("token") or "")) == ("", "")


async def test_no_token_is_made_for_a_mechanism_that_is_not_offered_or_without_a_device(
    there: There,
) -> None:
    for inside, about in (
        (REQUEST.replace("NONE", "ENDP"), agent()),
        ("<request-token xmlns='urn:xmpp:fast:0'/>", agent()),
        (REQUEST, ""),
    ):
        success = await Line(there.node).logs_in(inside, about=about)
        assert names(success) == ["authorization-identifier"]
    assert [(one.current, one.new) for one in await devices(there)] == [(None, None)]


async def test_the_server_proves_that_it_knows_the_token(there: There) -> None:
    word = await token(there)
    there.results()
    line = await there.line()
    (success, _) = await line.says(by_token(word))
    assert names(success) == ["additional-data", "authorization-identifier"]
    assert b64decode(success[0].text or "") == hmac.digest(word.encode(), b"Responder", "sha256")
    assert there.results() == {("HT-SHA-256-NONE", "success"): 1}


async def test_a_request_with_a_token_says_so_and_which(there: There) -> None:
    word = await token(there)
    there.results()
    naked = by_token(word).replace("<fast xmlns='urn:xmpp:fast:0' />", "")
    assert "fast" not in naked
    assert await attempt(there, naked) == ("malformed-request", "a token needs <fast/>")
    assert (await attempt(there, by_token(word, mechanism="HT-SHA-256-WHAT")))[0] == "invalid-mechanism"
    assert (await attempt(there, by_token(word, fast="count='0'")))[0] == "malformed-request"
    empty = by_token(word).replace("<initial-response>", "<other>").replace("/initial-response", "/other")
    assert (await attempt(there, empty))[0] == "malformed-request"
    assert there.results() == {
        ("HT-SHA-256-NONE", "malformed-request"): 3,
        ("other", "invalid-mechanism"): 1,
    }


@pytest.mark.parametrize(
    ("days", "renewed"), [(0, False), (ROTATE_AFTER / DAY, False), (ROTATE_AFTER / DAY + 0.1, True)]
)
async def test_a_token_is_renewed_when_it_gets_old(there: There, days: float, renewed: bool) -> None:
    word = await token(there)
    there.clock.forward(days * DAY)
    line = await there.line()
    (success, _) = await line.says(by_token(word))
    found = success.find(f"{FAST}token")
    assert (found is not None) is renewed
    if found is not None:
        assert found.get("token") not in ("", None, word)
        assert await attempt(there, by_token(found.get("token") or "")) == ("", "")


async def test_an_old_token_is_renewed_for_its_own_mechanism(there: There) -> None:
    line = Line(there.node, binding=b"certificate")
    success = await line.logs_in(REQUEST.replace("NONE", "ENDP"), about=agent())
    word = success.find(f"{FAST}token").get("token") or ""  # type: ignore[union-attr]
    there.clock.forward(ROTATE_AFTER + 1)
    bound = {"mechanism": "HT-SHA-256-ENDP", "binding": b"certificate"}
    line = await there.line(binding=b"certificate")
    (success, _) = await line.says(by_token(word, **bound))  # type: ignore[arg-type]
    renewed = success.find(f"{FAST}token").get("token") or ""  # type: ignore[union-attr]
    assert await attempt(there, by_token(renewed, **bound), b"certificate") == ("", "")  # type: ignore[arg-type]
    (device,) = await devices(there)
    assert device.current is not None
    assert device.current.mechanism == "HT-SHA-256-ENDP"


@pytest.mark.parametrize(("value", "voided"), [("true", True), ("1", True), ("false", False), ("", False)])
async def test_a_token_that_a_client_gives_back_is_void_however_old(
    there: There, value: str, voided: bool
) -> None:
    word = await token(there)
    there.clock.forward(ROTATE_AFTER + 1)
    line = await there.line()
    (success, _) = await line.says(by_token(word, fast=f"invalidate='{value}'"))
    assert (success.find(f"{FAST}token") is None) is voided
    (device,) = await devices(there)
    assert ((device.current, device.new) == (None, None)) is voided
    assert len(device.retired) == (1 if voided else 0)
    assert await attempt(there, by_token(word)) == (("credentials-expired", "") if voided else ("", ""))


async def test_who_gives_a_token_back_may_ask_for_another(there: There) -> None:
    word = await token(there)
    line = await there.line()
    (success, _) = await line.says(by_token(word, REQUEST, fast="invalidate='true'"))
    other = success.find(f"{FAST}token").get("token") or ""  # type: ignore[union-attr]
    assert other != word
    assert await attempt(there, by_token(word)) == ("credentials-expired", "")
    assert await attempt(there, by_token(other)) == ("", "")


async def test_a_password_does_not_give_a_token_back(there: There) -> None:
    word = await token(there)
    line = await there.line()
    await line.says(password("<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>", about=agent()))
    assert line.stream.authenticated
    assert await attempt(there, by_token(word)) == ("", "")


# -- devices that change meanwhile ------------------------------------------------------------------------


@pytest.mark.parametrize(("losses", "let_in"), [(1, True), (2, True), (3, False)])
@pytest.mark.parametrize("tokens", [True, False])
async def test_a_login_whose_device_is_changed_meanwhile_is_tried_three_times(
    there: There, losses: int, let_in: bool, tokens: bool
) -> None:
    word = await token(there)
    store, left = there.node.entrance.devices, losses
    save = store.save

    async def beaten(entry: object) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Changed
        await save(entry)  # type: ignore[arg-type]

    store.save = beaten  # type: ignore[method-assign,assignment]
    there.clock.forward(2 * 3600)
    there.results()
    request = by_token(word) if tokens else password(about=agent())
    assert await attempt(there, request) == (("", "") if let_in else ("temporary-auth-failure", ""))
    assert left == (-1 if let_in else 0)
    (device,) = await devices(there)
    assert (device.used == there.clock.time) is let_in


async def test_a_login_that_was_ended_by_another_is_told_that_its_device_is_gone(there: There) -> None:
    """The device unused for longest makes room for a new one, and its session ends."""
    first = Line(there.node)
    await first.logs_in(BIND, about=agent())
    assert first.stream.session is not None
    for _ in range(50):
        there.clock.forward(1)
        await Line(there.node).logs_in(about=agent(str(uuid4())))
    (error,) = await first.heard()
    assert why(error) == ("not-authorized", "the device was revoked")
    assert first.stream.session.closed
    assert len(await devices(there)) == 50
