"""Linking between the web app and the Python client, either being the new device, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.client.linking import Approval, BadCode, Code, NewDevice, decoded, encoded, new_ticket, seal
from tests.api.person import Device, Person
from tests.conftest import RunningServer
from tests.interop.node import Refused
from tests.web.peer import WebPeer, web_peer

NAMES = ("Ada's laptop", "grün.2 (100%) 👩‍👩‍👧", "", "a!b*c'd")


@pytest.fixture
async def web(peer_script: Path) -> AsyncIterator[WebPeer]:
    async with web_peer(peer_script) as web:
        yield web


async def test_the_web_app_comes_in_by_a_code_that_python_approves(
    server: RunningServer, web: WebPeer
) -> None:
    ada, elsewhere = Person(server), Person(server)
    phone = await ada.register()
    opened = await elsewhere.ask("POST", "/api/links", {})
    code = Code.parse(await web.do("show", "http://localhost", opened.body["id"], NAMES[0]))
    assert (code.base, code.name) == ("http://localhost", NAMES[0])
    ticket = new_ticket()
    sealed, hash = seal(code, Approval(phone.login["address"], ticket, {"keys": [1, "ä"]}))
    request = {"ticket_hash": encoded(hash), "sealed": encoded(sealed)}
    assert (await ada.ask("PUT", f"/api/links/{code.id}", request, phone)).status == 204
    there = (await elsewhere.ask("GET", f"/api/links/{code.id}")).body["sealed"]
    letter = await web.do("open", there)
    assert letter == {
        "address": phone.login["address"],
        "ticket": encoded(ticket),
        "secrets": {"keys": [1, "ä"]},
    }
    enter = {"ticket": letter["ticket"], "device": {"name": code.name}}
    entered = await elsewhere.ask("POST", f"/api/links/{code.id}/device", enter)
    assert Device(entered.body).login["address"] == phone.login["address"]


async def test_python_comes_in_by_a_code_that_the_web_app_approves(
    server: RunningServer, web: WebPeer
) -> None:
    ada, elsewhere = Person(server), Person(server)
    phone = await ada.register()
    opened = await elsewhere.ask("POST", "/api/links", {})
    newcomer = NewDevice("http://localhost", opened.body["id"], "laptop")
    trust = {"omemo": {"own": ["x"], "strict": False, "contacts": {}}}
    made = await web.do("seal", newcomer.code.text(), phone.login["address"], trust)
    request = {"ticket_hash": made["hash"], "sealed": made["sealed"]}
    assert (await ada.ask("PUT", f"/api/links/{newcomer.code.id}", request, phone)).status == 204
    there = (await elsewhere.ask("GET", f"/api/links/{newcomer.code.id}")).body["sealed"]
    letter = newcomer.open(decoded(there))
    assert letter == Approval(phone.login["address"], decoded(made["ticket"]), trust)
    enter = {"ticket": encoded(letter.ticket), "device": {"name": "laptop"}}
    assert (await elsewhere.ask("POST", f"/api/links/{newcomer.code.id}/device", enter)).status == 201


async def test_each_reads_the_names_that_the_other_shows(web: WebPeer) -> None:
    for name in NAMES:
        newcomer = NewDevice("https://example.org", "0" * 32, name)
        assert await web.do("seal", newcomer.code.text(), "a@b", {})
        code = Code.parse(await web.do("show", "https://example.org/", "0" * 32, name))
        assert (code.base, code.name) == ("https://example.org", name)


async def test_what_was_sealed_for_another_is_opened_by_neither(web: WebPeer) -> None:
    mine = NewDevice("https://example.org", "0" * 32, "a")
    theirs = await web.do("show", "https://example.org", "0" * 32, "a")
    sealed, _ = seal(mine.code, Approval("a@b", new_ticket(), {}))
    with pytest.raises(Refused, match="not from a device that has read the code"):
        await web.do("open", encoded(sealed))
    with pytest.raises(BadCode):
        mine.open(decoded((await web.do("seal", theirs, "a@b", {}))["sealed"]))
