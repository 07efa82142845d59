"""A phone number, a code, and an account: through the real HTTP API, and then on XMPP."""

from __future__ import annotations

import asyncio

import pytest

from kith.accounts.codes import TRIES
from tests.api.person import Person, new_address, new_number
from tests.conftest import RunningServer, free_ports, running
from tests.operator.scrape import scrape
from tests.raw import RawClient, body


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_a_number_and_its_code_make_an_account_that_chats(server: RunningServer) -> None:
    ada, ben = Person(server), Person(server)
    login = await ada.register("Ada's phone")
    assert login.login["address"] == f"{ada.number}@localhost"
    assert login.login["new"] is True
    one = await login.online(server.port)
    two = await (await ben.register()).online(server.port)
    one.send(f"<message to='{two.bare}' type='chat'><body>hello</body></message>")
    assert body(await two.message()) == "hello"
    one.abort()
    two.abort()


@pytest.mark.parametrize(
    ("text", "country"),
    [("+49 (151) 12-9{}", ""), ("0049 151 129{}", ""), ("0151/129 {}", "DE"), ("tel:+49-151-129{}", "")],
)
async def test_a_number_is_understood_in_any_usual_notation(
    server: RunningServer, text: str, country: str
) -> None:
    person = Person(server)
    digits = person.number[-5:]
    request = {"number": text.format(digits), "country": country}
    answer = await person.ask("POST", "/api/register/code", request)
    assert (answer.status, answer.body["number"]) == (202, f"+49151129{digits}")


@pytest.mark.parametrize(
    "text", ["hello", "12345", "+49 1", "+49 900 1234567", "0170 1234567", "+999 12345678"]
)
async def test_what_is_no_number_is_refused_with_what_to_do(server: RunningServer, text: str) -> None:
    answer = await Person(server).ask("POST", "/api/register/code", {"number": text})
    assert (answer.status, answer.error) == (422, "invalid-number")
    assert answer.body["text"]


async def test_a_known_number_gets_one_more_device_of_its_account(server: RunningServer) -> None:
    person = Person(server)
    first = await person.register("phone")
    other = Person(server, person.number)
    await other_day(server, person)
    watching = await first.online(server.port)
    second = await other.register("laptop", code=person.code())
    assert "new device has logged in to your account: laptop." in body(await watching.message())
    watching.abort()
    assert second.login["new"] is False
    assert second.login["address"] == first.login["address"]
    assert second.login["device"] != first.login["device"]
    one, two = await first.online(server.port), await second.online(server.port)
    one.send(f"<message to='{two.jid}' type='chat'><body>to myself</body></message>")
    assert body(await two.message()) == "to myself"
    one.abort()
    two.abort()


async def other_day(server: RunningServer, person: Person) -> None:
    """The wait between two codes is over, by the server's books."""
    import sqlite3

    with sqlite3.connect(server.data_dir / "kith.sqlite", timeout=10) as database:
        database.execute("DELETE FROM document WHERE space = 'codes'")
    database.close()
    await person.send_code()


async def test_answers_are_the_same_for_numbers_with_and_without_an_account(server: RunningServer) -> None:
    known, unknown = Person(server), Person(server)
    await known.register()
    await other_day(server, known)
    asked = await unknown.ask("POST", "/api/register/code", {"number": unknown.number})
    again = await Person(server, known.number).ask("POST", "/api/register/code", {"number": known.number})
    assert asked.status == 202
    assert again.status == 429  # both wait now, and for the same reason
    repeat = await unknown.ask("POST", "/api/register/code", {"number": unknown.number})
    assert (again.error, again.body["text"].split()[:3]) == (repeat.error, repeat.body["text"].split()[:3])
    tries = [await person.try_to_register("x", wrong(person.code())) for person in (known, unknown)]
    assert tries[0].body == tries[1].body
    assert tries[0].status == tries[1].status == 403
    never = await Person(server).try_to_register("x", "123456")
    assert (never.status, never.error) == (403, "expired-code")
    gone = await known.try_to_register("x", known.code())
    assert gone.status == 201  # the wrong try before has used up nothing but itself


async def test_a_code_is_good_for_five_tries_and_once(server: RunningServer) -> None:
    person = Person(server)
    code = await person.send_code()
    assert TRIES == 5
    for left in (4, 3, 2, 1, 0):
        answer = await person.try_to_register("x", wrong(code))
        assert (answer.status, answer.error, answer.body["tries_left"]) == (403, "wrong-code", left)
    answer = await person.try_to_register("x", code)
    assert (answer.status, answer.error) == (403, "expired-code")
    other = Person(server)
    await other.register(code=await other.send_code())
    again = await other.try_to_register("x", other.code())
    assert again.error == "expired-code"


async def test_tries_that_come_at_once_are_counted_one_by_one(server: RunningServer) -> None:
    person = Person(server)
    code = await person.send_code()
    answers = await asyncio.gather(*(person.try_to_register("x", wrong(code)) for _ in range(12)))
    assert {(answer.status, answer.error) for answer in answers} <= {
        *((403, "wrong-code"), (403, "expired-code")),
        (429, "too-many"),  # that one was not compared: it lost a race too often
    }
    while (answer := await person.try_to_register("x", wrong(code))).error == "wrong-code":
        answers.append(answer)
    left = sorted(answer.body["tries_left"] for answer in answers if answer.error == "wrong-code")
    assert left == list(range(TRIES))
    assert (await person.try_to_register("x", code)).error == "expired-code"


async def test_a_code_that_two_use_at_once_makes_one_device(server: RunningServer) -> None:
    person = Person(server)
    code = await person.send_code()
    answers = await asyncio.gather(*(person.try_to_register("x", code) for _ in range(6)))
    assert sum(answer.status == 201 for answer in answers) == 1


async def test_requests_for_one_number_at_once_send_one_message(server: RunningServer) -> None:
    person = Person(server)
    others = [Person(server, person.number) for _ in range(8)]
    answers = await asyncio.gather(
        *(other.ask("POST", "/api/register/code", {"number": person.number}) for other in others)
    )
    assert sorted(answer.status for answer in answers) == [202] + [429] * 7
    assert server.log.read_text().count(f"message to {person.number}:") == 1
    for answer in answers:
        if answer.status == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 60
            assert answer.body["retry_after"] == int(answer.headers["Retry-After"])


async def test_one_address_gets_ten_codes_and_then_waits(server: RunningServer) -> None:
    address = new_address()
    for _ in range(10):
        await Person(server, address=address).send_code()
    person = Person(server, address=address)
    refused = await person.ask("POST", "/api/register/code", {"number": person.number})
    assert refused.status == 429
    assert 300 < int(refused.headers["Retry-After"]) <= 360
    assert await Person(server).send_code()


async def test_tries_and_waits_outlive_a_restart(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    with running(tmp_path / "data") as server:
        person = Person(server)
        code = await person.send_code()
        for _ in range(4):
            await person.try_to_register("x", wrong(code))
        server.kill()
        server.start()
        assert (await person.try_to_register("x", wrong(code))).body["tries_left"] == 0
        assert (await person.try_to_register("x", code)).error == "expired-code"
        assert (await person.ask("POST", "/api/register/code", {"number": person.number})).status == 429
        assert server.stop() == 0


async def test_the_database_has_no_code_and_no_number_of_one_who_only_asked(server: RunningServer) -> None:
    person = Person(server)
    code = await person.send_code()
    await asyncio.sleep(0)
    kept = server.on_disk()
    assert b"codes" in kept  # where the hashes are
    for secret in (person.number.removeprefix("+"), code):
        assert secret.encode() not in kept


async def test_all_together_have_a_limit(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("few") / "data"
    (port,) = free_ports(1)
    with running(folder, sms_per_hour="2", metrics_port=str(port)) as server:
        for _ in range(2):
            await Person(server).send_code()
        person = Person(server)
        answer = await person.ask("POST", "/api/register/code", {"number": person.number})
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 3000
        for _ in range(20):
            other = Person(server)
            assert (await other.ask("POST", "/api/register/code", {"number": other.number})).status == 429
        lines = [line for line in server.log.read_text().splitlines() if "no more text messages" in line]
        assert len(lines) == 1  # the operator is told, and not each time
        assert "level=error" in lines[0]
        assert "limit=hour used=2 of=2" in lines[0]
        assert person.number not in server.log.read_text()
        figures = await scrape(int(server.environ["KITH_METRICS_PORT"]))
        assert figures.get_one("kith_text_messages_total", result="sent") == 2
        assert figures.get_one("kith_text_messages_total", result="limited") == 21
    with running(folder, sms_per_hour="2") as server:  # a restart gives nobody a message more
        person = Person(server)
        assert (await person.ask("POST", "/api/register/code", {"number": person.number})).status == 429


@pytest.mark.parametrize("registration", ["invite", "closed"])
async def test_other_ways_of_registration_close_this_one(
    tmp_path_factory: pytest.TempPathFactory, registration: str
) -> None:
    folder = tmp_path_factory.mktemp("closed") / "data"
    with running(folder, registration=registration) as server:
        person = Person(server)
        answer = await person.ask("POST", "/api/register/code", {"number": person.number})
        assert (answer.status, answer.error) == (403, "registration-closed")
        async with RawClient(server.port) as client:
            client.open()
            features = await client.tag("features")
            offered = features.find("{http://jabber.org/features/iq-register}register") is not None
            assert offered is (registration == "invite")


async def test_a_request_that_is_not_as_described_is_refused(server: RunningServer) -> None:
    person = Person(server)
    for wrong_body in ({}, {"number": 5}, {"number": person.number, "more": 1}, [], "x"):
        answer = await person.ask("POST", "/api/register/code", wrong_body)
        assert (answer.status, answer.error) == (400, "bad-request")
    large = await person.ask("POST", "/api/register/code", {"number": "1" * 100_000})
    assert large.status in (400, 413)


async def test_a_newline_at_the_end_of_anything_is_refused(server: RunningServer) -> None:
    person = Person(server)
    code, phone = await person.send_code(), await Person(server).register()
    device = {"agent": "d4565fa7-4d72-4749-b3d3-740edbf87770\n"}
    for path, request in (
        ("/api/register/code", {"number": person.number, "country": "DE\n"}),
        ("/api/register", {"number": person.number, "code": f"{code}\n"}),
        ("/api/register", {"number": person.number, "code": code, "pin": "135790\n"}),
        ("/api/register", {"number": person.number, "code": code, "pin": "\n"}),
        ("/api/register", {"number": person.number, "code": code, "device": device}),
        ("/api/register/pin", {"number": person.number, "proof": "x", "pin": "135790\n"}),
        ("/api/account/delete", {"address": "x", "pin": "135790\n"}),
        ("/api/account/number", {"number": person.number, "code": f"{code}\n"}),
        ("/api/contacts", {"contacts": [{"number": "+491701234567\n"}]}),
        ("/api/contacts/evaluate", {"elements": ["A" * 43 + "\n"]}),
    ):
        answer = await person.ask("POST", path, request, phone)
        assert (answer.status, answer.error) == (400, "bad-request"), path
    answer = await person.ask("PUT", "/api/pin", {"pin": "135790\n"}, phone)
    assert (answer.status, answer.error) == (400, "bad-request")
    await person.register(code=code)


async def test_a_number_of_mexico_is_one_account_however_it_is_written(server: RunningServer) -> None:
    person = Person(server)
    first = f"+5255{new_number()[-8:]}"
    again = first.replace("+52", "+521")
    person.number = first
    phone = await person.register()
    assert phone.login["address"] == f"{first}@localhost"
    friend = await Person(server).register()
    added = [{"number": again}]
    assert (await person.ask("POST", "/api/contacts", {"contacts": added}, friend)).body == {"added": 1}
    client = await friend.online(server.port)
    roster = await client.iq("get", "<query xmlns='jabber:iq:roster'/>")
    assert [item.get("jid") for item in roster[0]] == [f"{first}@localhost"]
    client.abort()
    assert server.kith("device", "list", f"{again}@localhost").stdout
