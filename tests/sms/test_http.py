"""Text messages through an HTTP gateway: what it is asked, and what happens when it does not do it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from multidict import CIMultiDict

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.sms import SMSError
from kith.sms.http import HTTPGateway
from tests.api.person import Person
from tests.conftest import running
from tests.sms.gateway import Behaviour, breaks_off, gateway, hangs, says

TEXT = 'Say "hi" & bye\n\n@example.org #123456'
NUMBER = "+491701234567"


async def send(http: HTTPGateway) -> None:
    try:
        await http.send(NUMBER, TEXT)
    finally:
        await http.close()


async def test_a_form_as_twilio_wants_it() -> None:
    async with gateway(says(201, '{"status": "queued"}')) as there:
        body = "To={number}&From=%2B15550100&Body={text}"
        await send(
            HTTPGateway(
                there.url, Clock(), Randomness(), headers={"Authorization": "Basic QUM6c2VjcmV0"}, body=body
            )
        )
        method, _, headers, sent = there.requests[0]
        assert method == "POST"
        assert CIMultiDict(headers)["Authorization"] == "Basic QUM6c2VjcmV0"
        assert CIMultiDict(headers)["Content-Type"] == "application/x-www-form-urlencoded"
        assert parse_qs(sent) == {"To": [NUMBER], "From": ["+15550100"], "Body": [TEXT]}


async def test_json_as_vonage_wants_it() -> None:
    body = '{"api_key": "k", "api_secret": "s", "from": "Kith", "to": "{digits}", "text": "{text}"}'
    answer = r'"status"\s*:\s*"0"'
    async with gateway(says(200, '{"messages": [{"status": "0"}]}')) as there:
        await send(HTTPGateway(there.url, Clock(), Randomness(), body=body, success_pattern=answer))
        _, _, headers, sent = there.requests[0]
        assert CIMultiDict(headers)["Content-Type"] == "application/json"
        assert json.loads(sent)["text"] == TEXT
        assert json.loads(sent)["to"] == NUMBER[1:]
    async with gateway(says(200, '{"messages": [{"status": "4", "error-text": "no credit"}]}')) as there:
        with pytest.raises(SMSError, match=r"58 characters.*does not match"):
            await send(HTTPGateway(there.url, Clock(), Randomness(), body=body, success_pattern=answer))


async def test_everything_can_be_in_the_url() -> None:
    async with gateway() as there:
        await send(HTTPGateway(there.url + "?to={number}&text={text}", Clock(), Randomness(), "GET"))
        method, path, _, sent = there.requests[0]
        assert (method, sent) == ("GET", "")
        assert parse_qs(urlsplit(path).query) == {"to": [NUMBER], "text": [TEXT]}


@pytest.mark.parametrize("first", [says(500), says(429), says(503, "", Retry_After="0"), breaks_off])
async def test_a_gateway_that_stumbles_is_tried_again(first: Behaviour) -> None:
    async with gateway(first, first, says(200)) as there:
        await send(HTTPGateway(there.url, Clock(), Randomness(), body="text={text}", backoff=0.01))
        assert len(there.requests) == 3


async def test_a_gateway_that_stays_down_is_given_up() -> None:
    async with gateway(says(502)) as there:
        with pytest.raises(SMSError, match="502, after 3 attempts"):
            await send(HTTPGateway(there.url, Clock(), Randomness(), body="text={text}", backoff=0.01))
        assert len(there.requests) == 3
    with pytest.raises(SMSError, match="does not answer"):
        await send(HTTPGateway(there.url, Clock(), Randomness(), body="text={text}", backoff=0.01))


async def test_a_refusal_is_not_tried_again() -> None:
    async with gateway(says(400, "bad\nnumber")) as there:
        with pytest.raises(SMSError, match="refuses with 400 and 10 characters"):
            await send(HTTPGateway(there.url, Clock(), Randomness(), body="text={text}"))
        assert len(there.requests) == 1


async def test_a_gateway_that_asks_for_time_gets_it() -> None:
    async with gateway(says(429, "", Retry_After="120")) as there:
        with pytest.raises(SMSError) as error:
            await send(HTTPGateway(there.url, Clock(), Randomness(), body="text={text}"))
        assert error.value.wait == 120
        assert len(there.requests) == 1


async def test_a_slow_gateway_is_left() -> None:
    async with gateway(hangs) as there:
        with pytest.raises(SMSError, match="does not answer"):
            await send(
                HTTPGateway(there.url, Clock(), Randomness(), body="text={text}", timeout=0.2, backoff=0.01)
            )


async def test_a_gateway_that_leads_elsewhere_is_not_followed() -> None:
    async with gateway() as other, gateway(says(302, Location=other.url)) as there:
        with pytest.raises(SMSError, match="302"):
            await send(HTTPGateway(there.url, Clock(), Randomness(), body="text={text}"))
        assert not other.requests


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async with gateway(says(200, "x" * 10_000_000)) as there:
        with pytest.raises(SMSError, match="does not match sms_success_pattern"):
            await send(
                HTTPGateway(there.url, Clock(), Randomness(), body="text={text}", success_pattern="ok")
            )


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (says(503), "503, after 3 attempts"),
        (hangs, "does not answer"),
        (says(200, "<html>?"), "does not match sms_success_pattern"),
    ],
    ids=["down", "slow", "nonsense"],
)
async def test_a_server_whose_gateway_fails_says_so_and_lives_on(
    tmp_path_factory: pytest.TempPathFactory, behaviour: Behaviour, reason: str
) -> None:
    async with gateway(behaviour) as there:
        settings = {
            "sms_url": there.url,
            "sms_body": "to={number}&text={text}",
            "sms_success_pattern": "queued",
        }
        with running(tmp_path_factory.mktemp("gateway") / "data", **settings) as server:
            one, other = Person(server), Person(server)
            asked = [
                person.ask("POST", "/api/register/code", {"number": person.number}) for person in (one, other)
            ]
            for answer in await asyncio.gather(*asked):
                assert (answer.status, answer.error) == (503, "unavailable")
                assert int(answer.headers["Retry-After"]) > 0
            assert reason in server.log.read_text()
            assert server.stop() == 0


async def test_a_person_is_told_when_the_gateway_fails_and_need_not_wait(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with gateway(says(400, "what?"), says(200)) as there:
        folder = tmp_path_factory.mktemp("gateway") / "data"
        with running(folder, sms_url=there.url, sms_body="to={number}&text={text}") as server:
            person = Person(server)
            failed = await person.ask("POST", "/api/register/code", {"number": person.number})
            assert (failed.status, failed.error) == (503, "unavailable")
            assert int(failed.headers["Retry-After"]) > 0
            sent = await person.ask("POST", "/api/register/code", {"number": person.number})
            assert sent.status == 202
            code = parse_qs(there.requests[1][3])["text"][0][:6]
            await person.register(code=code)
            log = server.log.read_text()
            assert "text message not sent" in log
            assert code not in log
            assert person.number not in log


async def repeats(request: web.Request) -> web.Response:
    """A gateway that answers with all that it was sent, some of it in another form."""
    body = await request.text()
    key = request.headers.get("Authorization", "")
    said = f"{key} {body} {key[::-1]} {b64encode(body.encode()).decode()}"
    return web.Response(status=int(request.query["status"]), reason=key, text=said, headers={"X-Why": said})


@pytest.mark.parametrize("status", [200, 202, 302, 400, 401, 429, 500, 503])
async def test_nothing_that_a_gateway_was_sent_comes_back_in_an_error(status: int) -> None:
    async with gateway(repeats) as there:
        http = HTTPGateway(
            f"{there.url}?status={status}",
            Clock(),
            Randomness(),
            headers={"Authorization": "Bearer Key4711"},
            body='{"to": "{number}", "secret": "s3cr3t", "text": "{text}"}',
            success_pattern="queued",
            backoff=0.01,
        )
        with pytest.raises(SMSError) as error:
            await http.send("+491701234567", "123456 is your code")
        await http.close()
    for told in ("Key4711", "1174yeK", "s3cr3t", "123456", "1234567", b64encode(b"123456").decode()[:6]):
        assert told not in str(error.value)
    assert str(status) in str(error.value) or status in (200, 202)


def says_in_pieces(*pieces: str, then: float = 0.0) -> Behaviour:
    """An answer that comes piece by piece; after them nothing for so many seconds, and no end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece.encode())
            await asyncio.sleep(0.05)
        await asyncio.sleep(then)
        return response

    return answer


async def test_an_answer_may_come_in_pieces() -> None:
    async with gateway(says_in_pieces("{", '"status"', ': "0"', "}")) as there:
        await send(
            HTTPGateway(there.url, Clock(), Randomness(), body="text={text}", success_pattern='"status": "0"')
        )
        assert len(there.requests) == 1


@pytest.mark.parametrize("answer", ["", "queued"])
async def test_no_second_message_is_sent_because_an_answer_has_no_end(answer: str) -> None:
    """The gateway has taken the first one."""
    async with gateway(says_in_pieces("queued", then=30)) as there:
        await send(
            HTTPGateway(
                there.url,
                Clock(),
                Randomness(),
                body="text={text}",
                success_pattern=answer,
                timeout=0.5,
                backoff=0.01,
            )
        )
        assert len(there.requests) == 1
    async with gateway(says_in_pieces("refused", then=30)) as there:
        with pytest.raises(SMSError, match="does not match sms_success_pattern"):
            await send(
                HTTPGateway(
                    there.url,
                    Clock(),
                    Randomness(),
                    body="text={text}",
                    success_pattern="queued",
                    timeout=0.5,
                    backoff=0.01,
                )
            )
        assert len(there.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_gateway_that_leads_elsewhere_gets_no_codes_carried_there(status: int) -> None:
    async with gateway() as elsewhere, gateway(says(status, "moved", Location=elsewhere.url)) as there:
        with pytest.raises(SMSError, match=f"refuses with {status}"):
            await send(HTTPGateway(there.url, Clock(), Randomness(), body="text={text}"))
        assert not elsewhere.requests
