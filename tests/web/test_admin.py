"""The page for operators, in the browser and with the real server: what they see, change, and can't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.conftest import RunningServer
from tests.web.person import DESKTOP, PHONE, Someone, someone
from tests.web.test_accessibility import TOO_WIDE, expect_sound

#: What would run, if it were taken for markup.
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
async def operators(chromium: str, house: RunningServer) -> AsyncIterator[tuple[Someone, Someone]]:
    """One at a desk with a token, and one with a phone in the dark whose token may only read."""
    async with AsyncExitStack() as stack:
        desk, phone = [
            await stack.enter_async_context(someone(chromium, house, "Anna", options))
            for options in (
                DESKTOP,
                {**PHONE, "viewport": {"width": 320, "height": 640}, "colorScheme": "dark"},
            )
        ]
        yield desk, phone
        for person in (desk, phone):
            assert person.complaints == []
            assert person.elsewhere == []


async def log_in(person: Someone, *options: str) -> str:
    made = await asyncio.to_thread(person.server.kith, "admin", "token", "create", f"t{id(person)}", *options)
    token = made.stdout.strip()
    await person.open("admin")
    await person.on("input[name=token]", "fill", token)
    await person.press("Log in")
    await person.shows("nav a[aria-current=page]")
    return token


async def section(person: Someone, name: str, shows: str) -> None:
    await person.on(f"nav a:has-text('{name}')", "click")
    await person.shows(f"main h1:has-text('{name}')")
    await person.shows(shows)
    await expect_sound(person, name)
    assert not await person.evaluate(TOO_WIDE), name


async def test_an_operator_finds_suspends_bans_and_removes_people(
    operators: tuple[Someone, Someone], house: RunningServer
) -> None:
    desk, phone = operators
    for at in range(60):
        house.add_user(f"member{at:02}")
    cleo = house.add_user("cleo")

    # a wrong token opens nothing
    await desk.open("admin")
    await desk.on("input[name=token]", "fill", "kadm_wrong")
    await desk.press("Log in")
    await desk.shows("[role=alert]:has-text('not valid')")
    await expect_sound(desk, "login")
    token = await log_in(desk)
    # it is kept for this tab alone, and not where the chat app keeps things
    assert await desk.evaluate("JSON.stringify(localStorage)") == "{}"
    assert token in await desk.evaluate("JSON.stringify(sessionStorage)")
    assert "admin" not in await desk.evaluate("fetch('/sw.js').then((answer) => answer.text())")
    assert await desk.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0

    # people: pages, search, state
    await section(desk, "People", "tbody tr")
    await desk.shows("nav[aria-label=Pages] [role=status]:has-text('1\u201350 of ')")
    await desk.press("Next")
    await desk.shows("nav[aria-label=Pages] [role=status]:has-text('51\u2013')")
    await desk.press("Previous")
    await desk.press("Last seen")
    await desk.shows("th[aria-sort=descending]:has-text('Last seen')")
    await desk.on("input[type=search]", "fill", "cleo")
    await desk.shows("nav[aria-label=Pages] [role=status]:has-text('1\u20131 of 1')")
    await desk.on("a.person:has-text('cleo')", "click")
    await desk.shows("main h1:has-text('cleo')")
    await expect_sound(desk, "person")

    # a suspension says why, and can be ended
    await desk.press("Suspend")
    await desk.fill("Reason They are told this.", HOSTILE)
    await desk.on("dialog .button.danger", "click")
    await desk.shows("[aria-label='Why they can\u2019t log in'] td:has-text('<img src=x')")
    await desk.shows("header .tag.bad:has-text('Suspended')")
    await desk.press("End suspension")
    await desk.on("dialog button[type=submit]", "click")
    await desk.hides("header .tag.bad")

    # what can't be undone has to be typed
    await desk.press("Delete account")
    assert await desk.on("dialog .button.danger", "isDisabled")
    await desk.on("dialog input", "fill", cleo)
    await desk.on("dialog .button.danger", "click")
    await desk.shows("main h1:has-text('People')")
    await desk.shows(".none:has-text('Nobody found.')")

    # bans: what is no number is explained, what is one holds
    await section(desk, "Bans", ".none")
    await desk.press("Ban")
    await desk.on("dialog select", "selectOption", "prefix")
    await desk.on("dialog label:has-text('Banned') input", "fill", "nobody")
    await desk.on("dialog .button.danger", "click")
    await desk.shows("dialog [role=alert]:has-text('The server has refused this')")
    await desk.on("dialog label:has-text('Banned') input", "fill", "+99912")
    await desk.on("dialog .button.danger", "click")
    await desk.hides("dialog")
    await desk.shows("td:has-text('+99912')")
    assert "+99912" in (await asyncio.to_thread(house.kith, "user", "bans")).stdout

    # another operator sees all of it on a phone, and can change nothing
    await log_in(phone, "--read-only")
    await section(phone, "Bans", "td:has-text('+99912')")
    assert await phone.on("main button", "count") == 0
    await section(phone, "People", "tbody tr")
    await section(phone, "Log", "td:has-text('ban')")
    await phone.shows("td:has-text('account.remove')")
    assert await phone.evaluate("document.title") == "Administration"

    # who logs out leaves nothing; a token that is revoked ends
    await phone.press("Log out")
    await phone.shows("input[name=token]")
    assert await phone.evaluate("sessionStorage.length") == 0
    await asyncio.to_thread(house.kith, "admin", "token", "revoke", f"t{id(desk)}")
    await desk.on("nav a:has-text('Log')", "click")
    await desk.shows("[role=alert]:has-text('not valid any more')")
