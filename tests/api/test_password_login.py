"""Logging in over the HTTP API with a name and a password, for apps that then use a token."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.person import Answer, Device, Person
from tests.api.test_app_passwords import app_password
from tests.conftest import RunningServer
from tests.raw import body


async def login(person: Person, name: str, password: Any = "pw", **more: Any) -> Answer:
    device = {"name": "Browser", "software": "Test", "platform": "Linux"}
    request = {"name": name, "password": password, "device": device, **more}
    return await person.ask("POST", "/api/login", request)


@pytest.mark.parametrize("name", ["ada", "ADA", "ada@localhost", "Ada@LOCALHOST"])
async def test_who_has_a_password_gets_a_device_that_works_everywhere(
    server: RunningServer, name: str
) -> None:
    server.add_user("ada")
    person = Person(server)
    answer = await login(person, name)
    assert answer.status == 201, answer
    assert answer.body["address"] == "ada@localhost"
    device = Device(answer.body)
    (await device.online(server.port)).abort()
    listed = await person.done("GET", "/api/devices", device=device)
    assert device.login["device"] in {one["id"] for one in listed.body["devices"]}


async def test_other_devices_are_told_of_a_new_one(server: RunningServer) -> None:
    server.add_user("bea")
    person = Person(server)
    first = Device((await login(person, "bea")).body)
    assert first.login["new"]
    client = await first.online(server.port)
    second = await login(person, "bea")
    assert (second.status, second.body["new"]) == (201, False)
    assert "new device" in body(await client.message())
    client.abort()


async def test_a_wrong_password_and_a_wrong_name_look_the_same(server: RunningServer) -> None:
    server.add_user("cyn")
    phone = Person(server)
    device = await phone.register()
    made = await app_password(phone, device)
    for name, password in (
        ("cyn", "wrong"),
        ("nobody", "pw"),
        ("cyn@other.example", "pw"),
        ("a b", "pw"),
        ("@", "pw"),
        (phone.number, "pw"),
        (phone.number, made["password"]),  # which is only for chatting
    ):
        answer = await login(Person(server), name, password)
        assert (answer.status, answer.error) == (403, "wrong-password"), name
        assert set(answer.body) == {"error", "text"}


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"name": "ada"},
        {"name": "", "password": "x"},
        {"name": "ada", "password": ""},
        {"name": 1, "password": 2},
    ],
)
async def test_a_request_that_is_none_is_refused(server: RunningServer, request_: dict[str, Any]) -> None:
    assert (await Person(server).ask("POST", "/api/login", request_)).status == 400


async def test_guesses_have_the_limits_that_they_have_on_xmpp(server: RunningServer) -> None:
    """Also all at once, and the owner's own place stays open."""
    server.add_user("dee")
    home, thief = Person(server), Person(server)
    assert (await login(home, "dee")).status == 201
    answers = await asyncio.gather(*(login(thief, "dee", f"guess {number}") for number in range(40)))
    refused = [answer.error for answer in answers]
    assert refused.count("wrong-password") <= 20
    assert refused.count("too-many") >= 20
    assert (await login(thief, "dee")).error == "too-many"  # even the right one
    assert (await login(home, "dee")).status == 201


async def test_an_account_that_is_suspended_is_told_so_after_the_right_password_only(
    server: RunningServer,
) -> None:
    server.add_user("eve")
    server.kith("user", "suspend", "eve", "--reason", "Please call us.")
    assert (await login(Person(server), "eve", "wrong")).error == "wrong-password"
    answer = await login(Person(server), "eve")
    assert (answer.status, answer.error) == (403, "account-disabled")
    assert "Please call us" in answer.body["text"]


async def test_an_app_learns_what_people_have_here(server: RunningServer) -> None:
    assert (await Person(server).ask("GET", "/api/login")).body == {"phone": True, "password": False}


async def test_a_new_password_ends_the_token(server: RunningServer) -> None:
    server.add_user("fay")
    person = Person(server)
    device = Device((await login(person, "fay")).body)
    server.kith("user", "passwd", "fay", "--password", "other")
    assert await device.refused(server.port)
    assert (await login(person, "fay")).error == "wrong-password"
    assert (await login(person, "fay", "other")).status == 201
