"""The PIN: asked when a number registers again, and what happens when it is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import Any

import msgspec
import pytest

from kith.accounts.pin import Stored
from kith.records.device import Device as StoredDevice
from tests.api.person import Device, Person, until
from tests.api.test_app_passwords import Scram, app_password
from tests.api.test_devices import forget_codes
from tests.conftest import RunningServer


async def with_pin(server: RunningServer, pin: str = "135790") -> tuple[Person, Device]:
    person = Person(server)
    phone = await person.register()
    assert (await person.ask("PUT", "/api/pin", {"pin": pin}, phone)).status == 204
    assert (await person.ask("GET", "/api/pin", device=phone)).body == {"set": True}
    forget_codes(server)
    return person, phone


def pass_days(server: RunningServer, number: str, days: float) -> None:
    """As if nobody had used the account since."""
    database = sqlite3.connect(server.data_dir / "kith.sqlite", timeout=10)
    find = "SELECT space, key, value FROM document WHERE account = (SELECT id FROM account WHERE jid = ?)"
    with database:
        jid = f"{number}@localhost"
        for space, key, value in database.execute(find, (jid,)).fetchall():
            held: Any
            if space == "pin":
                held = msgspec.msgpack.decode(value, type=Stored)
                held.made -= days * 86400
            elif space == "devices":
                held = msgspec.msgpack.decode(value, type=StoredDevice)
                held.used -= days * 86400
            else:
                continue
            database.execute(
                "UPDATE document SET value = ? WHERE space = ? AND key = ?",
                (msgspec.msgpack.encode(held), space, key),
            )
    database.close()


def kept(server: RunningServer, number: str) -> int:
    """How many messages are in the account's log."""
    with contextlib.closing(sqlite3.connect(server.data_dir / "kith.sqlite", timeout=10)) as database:
        query = "SELECT count(*) FROM log WHERE account = (SELECT id FROM account WHERE jid = ?)"
        return int(database.execute(query, (f"{number}@localhost",)).fetchone()[0])


async def give_pin(person: Person, proof: str, pin: str = "") -> Any:
    request = {"number": person.number, "proof": proof, "pin": pin, "device": {"name": "new"}}
    return await person.ask("POST", "/api/register/pin", request)


async def test_a_number_that_registers_again_needs_the_pin(server: RunningServer) -> None:
    person, phone = await with_pin(server)
    asked = await person.try_to_register("new", await person.send_code())
    assert (asked.status, asked.error) == (403, "pin-required")
    assert 6.9 * 86400 < asked.body["without_pin_in"] <= 7 * 86400
    wrong = await give_pin(person, asked.body["proof"], "000000")
    assert (wrong.status, wrong.error) == (403, "wrong-pin")
    right = await give_pin(person, asked.body["proof"], "135790")
    assert right.status == 201
    (await Device(right.body).online(server.port)).abort()
    (await phone.online(server.port)).abort()


@pytest.mark.parametrize("pin", ["", "12345", "1234567", "12345x", "１２３４５６", "123456\n", 123456, None])
async def test_a_pin_has_six_digits(server: RunningServer, pin: object) -> None:
    person, phone = await with_pin(server)
    answer = await person.ask("PUT", "/api/pin", {"pin": pin}, phone)
    assert (answer.status, answer.error) == (400, "bad-request")
    proof = (await person.try_to_register("new", await person.send_code())).body["proof"]
    assert (await give_pin(person, proof, "135790")).status == 201  # the one of before


async def test_the_pin_can_come_with_the_code(server: RunningServer) -> None:
    person, _ = await with_pin(server)
    await person.register("new", pin="135790")


async def test_wrong_pins_have_to_wait_and_a_new_code_does_not_help(server: RunningServer) -> None:
    person, _ = await with_pin(server)
    proof = (await person.try_to_register("new", await person.send_code())).body["proof"]
    for _ in range(2):
        assert (await give_pin(person, proof, "000000")).error == "wrong-pin"
    third = await give_pin(person, proof, "000000")
    assert (third.error, third.headers["Retry-After"]) == ("wrong-pin", "60")
    waits = await give_pin(person, proof, "135790")
    assert (waits.status, waits.error) == (429, "too-many")
    forget_codes(server)
    again = await person.try_to_register("new", await person.send_code(), pin="135790")
    assert (again.status, again.error) == (429, "too-many")


async def test_a_proof_can_not_be_made_up(server: RunningServer) -> None:
    person, _ = await with_pin(server)
    assert (await give_pin(person, "AAAA", "135790")).error == "expired-code"
    other, _ = await with_pin(server)
    theirs = (await other.try_to_register("new", await other.send_code())).body["proof"]
    assert (await give_pin(person, theirs, "135790")).error == "expired-code"


async def test_a_proof_lets_in_once(server: RunningServer) -> None:
    person, _ = await with_pin(server)
    proof = (await person.try_to_register("new", await person.send_code())).body["proof"]
    wrong = await give_pin(person, proof, "000000")
    assert (wrong.error, wrong.body["proof"]) == ("wrong-pin", proof)
    at_once = await asyncio.gather(*(give_pin(person, proof, "135790") for _ in range(4)))
    assert sum(answer.status == 201 for answer in at_once) == 1
    for pin in ("135790", "000000", ""):  # nobody goes on guessing with it, either
        assert (await give_pin(person, proof, pin)).error == "expired-code"


async def test_a_proof_is_void_after_the_pin_was_removed_or_changed(server: RunningServer) -> None:
    person, phone = await with_pin(server)
    proof = (await person.try_to_register("new", await person.send_code())).body["proof"]
    assert (await person.ask("PUT", "/api/pin", {"pin": "246802"}, phone)).status == 204
    assert (await give_pin(person, proof, "246802")).error == "expired-code"
    assert (await person.ask("DELETE", "/api/pin", device=phone)).status == 204
    for pin in ("", "135790", "246802"):
        assert (await give_pin(person, proof, pin)).error == "expired-code"
    assert (await give_pin(Person(server), proof)).error == "expired-code"


async def test_without_a_pin_again_the_code_is_enough(server: RunningServer) -> None:
    person, phone = await with_pin(server)
    assert (await person.ask("DELETE", "/api/pin", device=phone)).status == 204
    await person.register("new")


async def test_a_forgotten_pin_gives_way_after_seven_days_of_silence(server: RunningServer) -> None:
    person, phone = await with_pin(server)
    app = await app_password(person, phone)
    friend = await Person(server).register()
    sender = await friend.online(server.port)
    sender.send(f"<message to='{phone.login['address']}' type='chat'><body>secret</body></message>")
    await sender.ping()
    assert kept(server, person.number) == 1
    pass_days(server, person.number, 6.9)
    proof = (await person.try_to_register("new", await person.send_code())).body["proof"]
    assert (await give_pin(person, proof)).error == "pin-required"
    pass_days(server, person.number, 0.2)
    taken = await give_pin(person, proof)
    assert (taken.status, taken.body["new"]) == (201, False)
    client = await Device(taken.body).online(server.port)
    assert kept(server, person.number) == 0
    assert await phone.refused(server.port)
    async with Scram(server.port) as raw:
        assert await raw.scram("SCRAM-SHA-256", phone.local, app["password"]) == "not-authorized"
    assert (await person.ask("GET", "/api/pin", device=Device(taken.body))).body == {"set": False}
    client.abort()
    sender.abort()


async def test_a_session_that_lasts_is_no_silence(server: RunningServer) -> None:
    person, phone = await with_pin(server)
    client = await phone.online(server.port)
    pass_days(server, person.number, 60)
    answer = await person.try_to_register("new", await person.send_code())
    assert (answer.error, answer.body["without_pin_in"]) == ("pin-required", 7 * 86400)
    client.abort()


async def test_after_thirty_days_the_number_starts_anew(server: RunningServer) -> None:
    person, phone = await with_pin(server)
    friend = await Person(server).register()
    one, other = await phone.online(server.port), await friend.online(server.port)
    for asks, asked in ((one, other), (other, one)):
        asks.send(f"<presence type='subscribe' to='{asked.bare}'/>")
        await asks.ping()
        asked.send(f"<presence type='subscribed' to='{asks.bare}'/>")
        await asked.ping()
    one.send("</stream:stream>")
    await one.end()
    proof = (await person.try_to_register("new", await person.send_code())).body["proof"]

    async def later() -> Any:
        """The end of the session is noted in the background: after that, the days pass."""
        pass_days(server, person.number, 30.1)
        answer = await give_pin(person, proof)
        return answer if answer.status == 201 else None

    anew = await until(later)
    assert anew.body["new"] is True
    client = await Device(anew.body).online(server.port)
    roster = await client.iq("get", "<query xmlns='jabber:iq:roster'/>")
    assert len(roster[0]) == 0
    await other.take(lambda e: e.get("type") == "unsubscribed")
    client.abort()
    other.abort()
