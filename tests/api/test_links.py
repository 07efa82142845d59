"""Linking by QR: a new device shows a code, a logged-in one approves, nobody in between can use it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.client.linking import Approval, BadCode, Code, NewDevice, decoded, encoded, new_ticket, seal
from tests.api.person import Answer, Device, Person
from tests.api.test_app_passwords import app_password
from tests.conftest import RunningServer, running
from tests.raw import body


async def show(person: Person) -> NewDevice:
    """A new device begins."""
    answer = await person.ask("POST", "/api/links", {})
    assert answer.status == 201
    assert 0 < answer.body["expires_in"] <= 600
    return NewDevice("http://localhost", answer.body["id"], "Ada's laptop")


async def approve(person: Person, device: Device, text: str) -> Answer:
    """A device that is logged in has read a code."""
    code = Code.parse(text)
    sealed, hash = seal(code, Approval(device.login["address"], new_ticket(), {"keys": [1, 2]}))
    request = {"ticket_hash": encoded(hash), "sealed": encoded(sealed)}
    return await person.ask("PUT", f"/api/links/{code.id}", request, device)


async def enter(person: Person, newcomer: NewDevice, letter: Approval) -> Answer:
    request = {"ticket": encoded(letter.ticket), "device": {"name": newcomer.code.name}}
    return await person.ask("POST", f"/api/links/{newcomer.code.id}/device", request)


async def test_a_device_comes_in_by_a_code_that_another_approves(server: RunningServer) -> None:
    ada, elsewhere = Person(server), Person(server)
    phone = await ada.register()
    watching = await phone.online(server.port)
    newcomer = await show(elsewhere)
    path = f"/api/links/{newcomer.code.id}"
    assert (await elsewhere.ask("GET", path)).body == {"sealed": ""}
    waiting = asyncio.create_task(elsewhere.ask("GET", f"{path}?wait=20"))
    await asyncio.sleep(0.1)
    assert (await approve(ada, phone, newcomer.code.text())).status == 204
    letter = newcomer.open(decoded((await waiting).body["sealed"]))
    assert letter.address == phone.login["address"]
    assert letter.secrets == {"keys": [1, 2]}
    entered = await enter(elsewhere, newcomer, letter)
    assert entered.status == 201
    laptop = Device(entered.body)
    assert laptop.login["address"] == phone.login["address"]
    client = await laptop.online(server.port)
    assert "Ada's laptop" in body(await watching.message())
    listed = (await ada.ask("GET", "/api/devices", device=laptop)).body["devices"]
    assert len(listed) == 2
    again = await enter(elsewhere, newcomer, letter)
    assert (again.status, again.error) == (404, "not-found")
    client.abort()
    watching.abort()


async def test_a_ticket_that_two_bring_at_once_lets_one_in(server: RunningServer) -> None:
    ada = Person(server)
    phone = await ada.register()
    newcomer = await show(ada)
    await approve(ada, phone, newcomer.code.text())
    sealed = (await ada.ask("GET", f"/api/links/{newcomer.code.id}")).body["sealed"]
    letter = newcomer.open(decoded(sealed))
    answers = await asyncio.gather(*(enter(ada, newcomer, letter) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [201, 404, 404, 404, 404]


async def test_nobody_approves_without_a_device_or_twice(server: RunningServer) -> None:
    ada, ben = Person(server), Person(server)
    phone, other = await ada.register(), await ben.register()
    newcomer = await show(ada)
    text = newcomer.code.text()
    stranger = Device({**phone.login, "token": "x"})
    assert (await approve(ada, stranger, text)).status == 401
    assert (await approve(ada, phone, text)).status == 204
    late = await approve(ben, other, text)
    assert (late.status, late.error) == (409, "conflict")
    letter = newcomer.open(decoded((await ada.ask("GET", f"/api/links/{newcomer.code.id}")).body["sealed"]))
    assert letter.address == phone.login["address"]


async def test_a_client_with_an_app_password_approves_nothing(server: RunningServer) -> None:
    ada = Person(server)
    phone = await ada.register()
    await app_password(ada, phone)
    newcomer = await show(ada)
    wrong = await enter(ada, newcomer, Approval("", new_ticket(), {}))
    assert (wrong.status, wrong.error) == (403, "forbidden")


async def test_who_has_the_id_alone_gets_neither_the_letter_nor_in(server: RunningServer) -> None:
    ada, eve = Person(server), Person(server)
    phone = await ada.register()
    newcomer = await show(ada)
    await approve(ada, phone, newcomer.code.text())
    sealed = decoded((await eve.ask("GET", f"/api/links/{newcomer.code.id}")).body["sealed"])
    spy = NewDevice("http://localhost", newcomer.code.id, "spy")
    with pytest.raises(BadCode):
        spy.open(sealed)
    wrong = await enter(eve, newcomer, Approval("", new_ticket(), {}))
    assert wrong.status == 403
    assert newcomer.open(sealed)


async def test_the_server_has_nothing_that_opens_the_letter_or_lets_in(server: RunningServer) -> None:
    ada = Person(server)
    phone = await ada.register()
    newcomer = await show(ada)
    await approve(ada, phone, newcomer.code.text())
    sealed = decoded((await ada.ask("GET", f"/api/links/{newcomer.code.id}")).body["sealed"])
    letter = newcomer.open(sealed)
    with contextlib.closing(sqlite3.connect(server.data_dir / "kith.sqlite", timeout=10)) as database:
        query = "SELECT value FROM document WHERE space = 'links' AND key = ?"
        held = database.execute(query, (newcomer.code.id,)).fetchone()[0]
    assert sealed in held
    for secret in (letter.ticket, newcomer.code.secret, newcomer.code.key):
        assert secret not in held
    assert newcomer.code.secret not in server.log.read_bytes()


async def invite(person: Person, device: Device) -> str:
    """A device that is logged in shows a code. Returns its box."""
    answer = await person.ask("POST", "/api/link-invitations", {}, device)
    assert answer.status == 201
    return f"/api/links/{answer.body['id']}"


async def test_an_invitation_is_answered_once_and_lets_nobody_in_by_itself(server: RunningServer) -> None:
    ada, elsewhere = Person(server), Person(server)
    phone = await ada.register()
    box = await invite(ada, phone)
    sealed, ticket = encoded(b"its own code"), encoded(new_ticket())
    waiting = asyncio.create_task(ada.ask("GET", f"{box}?wait=20", device=phone))
    answers = await asyncio.gather(
        *(elsewhere.ask("PUT", f"{box}/code", {"sealed": sealed}) for _ in range(5))
    )
    assert sorted(answer.status for answer in answers) == [204, 409, 409, 409, 409]
    assert (await waiting).body == {"sealed": sealed}
    entrance = {"ticket": ticket, "device": {"name": "laptop"}}
    assert (await elsewhere.ask("POST", f"{box}/device", entrance)).status == 403
    approval = {"ticket_hash": ticket, "sealed": sealed}
    assert (await ada.ask("PUT", box, approval, phone)).status == 409
    assert len((await ada.ask("GET", "/api/devices", device=phone)).body["devices"]) == 1


async def test_only_who_is_logged_in_invites_and_only_an_invitation_is_answered(
    server: RunningServer,
) -> None:
    ada, elsewhere = Person(server), Person(server)
    phone = await ada.register()
    assert (await elsewhere.ask("POST", "/api/link-invitations", {})).status == 401
    newcomer = await show(elsewhere)
    box, answer = f"/api/links/{newcomer.code.id}", {"sealed": encoded(b"not by its own device")}
    assert (await elsewhere.ask("PUT", f"{box}/code", answer)).status == 404
    assert (await approve(ada, phone, newcomer.code.text())).status == 204
    assert (await elsewhere.ask("PUT", f"{box}/code", answer)).status == 404
    assert (await elsewhere.ask("PUT", f"/api/links/{'0' * 32}/code", answer)).status == 404
    assert (await elsewhere.ask("PUT", f"{await invite(ada, phone)}/code", {"sealed": "?"})).status == 400


async def test_a_server_that_stops_does_not_wait_for_those_who_wait(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        person = Person(server)
        newcomer = await show(person)
        waiting = asyncio.create_task(person.ask("GET", f"/api/links/{newcomer.code.id}?wait=25"))
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(server.stop) == 0  # within 20 seconds, or this raises
        with contextlib.suppress(aiohttp.ClientError):
            await waiting
        assert "level=error" not in server.log.read_text()


async def test_codes_are_limited_for_an_address(server: RunningServer) -> None:
    person = Person(server)
    answers = [await person.ask("POST", "/api/links", {}) for _ in range(61)]
    assert [answer.status for answer in answers] == [201] * 60 + [429]
    assert int(answers[-1].headers["Retry-After"]) <= 60


def test_what_was_sealed_with_another_secret_is_not_opened() -> None:
    newcomer = NewDevice("https://example.org", "0" * 32, "x")
    forged = replace(newcomer.code, secret=bytes(16))
    with pytest.raises(BadCode):
        newcomer.open(seal(forged, Approval("mallory@example.org", new_ticket(), {}))[0])
    for wrong in (b"", b"x" * 40, b"x" * 400):
        with pytest.raises(BadCode):
            newcomer.open(wrong)


@given(st.text(max_size=60))
def test_any_name_of_a_device_is_in_its_code(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    code = NewDevice("https://example.org/", "ab" * 16, name).code
    assert Code.parse(code.text()) == replace(code, base="https://example.org")


@given(st.text(max_size=200))
def test_any_other_text_is_no_code(text: str) -> None:
    for candidate in (text, f"https://example.org/link#1.{text}"):
        with pytest.raises(BadCode):
            Code.parse(candidate)
