"""The page for operators, in the browser and with the real server: what they see, change, and can't."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.conftest import RunningServer, running
from tests.raw import body, online
from tests.web.person import DESKTOP, PHONE, Someone, someone
from tests.web.test_accessibility import expect_sound

#: What would run, if it were taken for markup.
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
ESCAPED = HOSTILE.replace("<", "&lt;")
OPERATOR = "+4915112999998"
SMALL = {**PHONE, "viewport": {"width": 320, "height": 640}, "colorScheme": "dark"}
TABLE = "nav[aria-label=Pages] [role=status]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("kith") / "data"
    with running(data, operators=f"{OPERATOR}@localhost") as server:
        yield server


@pytest.fixture
async def operators(chromium: str, server: RunningServer) -> AsyncIterator[tuple[Someone, Someone]]:
    """One at a desk, and one with a small phone in the dark."""
    async with AsyncExitStack() as stack:
        desk, phone = [
            await stack.enter_async_context(someone(chromium, server, "Anna", options))
            for options in (DESKTOP, SMALL)
        ]
        yield desk, phone
        for person in (desk, phone):
            assert person.complaints == []
            assert person.elsewhere == []
            assert (await person.evaluate("document.title")).endswith(("Administration", "Kith"))


async def log_in(person: Someone, name: str, *options: str) -> str:
    """With a new token of that name, which is returned."""
    made = await asyncio.to_thread(person.server.kith, "admin", "token", "create", name, *options)
    token = made.stdout.strip()
    await person.open("admin")
    await person.on("input[name=token]", "fill", token)
    await person.press("Log in")
    await person.shows("nav a[aria-current=page]")
    return token


async def section(person: Someone, name: str, shows: str) -> None:
    """Opens a section, in which everybody finds their way."""
    await person.on(f"nav a:has-text('{name}')", "click")
    await person.shows(f"main h1:has-text('{name}')")
    await person.shows(shows)
    await expect_sound(person, name)


async def submit(person: Someone) -> None:
    """The dialog that is open."""
    await person.on("dialog button[type=submit]", "click")
    await person.hides("dialog")


async def test_an_operator_finds_suspends_bans_and_removes_people(
    operators: tuple[Someone, Someone], server: RunningServer
) -> None:
    desk, phone = operators
    for at in range(60):
        server.add_user(f"member{at:02}")
    cleo = server.add_user("cleo")

    # a wrong token opens nothing
    await desk.open("admin")
    await desk.on("input[name=token]", "fill", "kadm_wrong")
    await desk.press("Log in")
    await desk.shows("[role=alert]:has-text('not valid')")
    await expect_sound(desk, "login")
    token = await log_in(desk, "desk")
    # it is kept for this tab, not where the chat app keeps things, and the app's worker does not know it
    assert await desk.evaluate("JSON.stringify(localStorage)") == "{}"
    assert token in await desk.evaluate("JSON.stringify(sessionStorage)")
    assert "admin" not in await desk.evaluate("fetch('/sw.js').then((answer) => answer.text())")
    assert await desk.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    await section(desk, "Overview", ".figures dd")

    # people: pages, order, search
    await section(desk, "People", "tbody tr")
    await desk.shows(f"{TABLE}:has-text('1\u201350 of 61')")
    await desk.press("Next")
    await desk.shows(f"{TABLE}:has-text('51\u201361 of 61')")
    await desk.press("Previous")
    # whoever comes back from a person is where they were
    await desk.on("a.person:has-text('member45')", "click")
    await desk.shows("main h1:has-text('member45')")
    await desk.press("Back")
    await desk.shows("main h1:has-text('People')")
    assert await desk.evaluate("document.querySelector('main').scrollTop") > 500
    await desk.press("Last seen")
    await desk.shows("th[aria-sort=descending]:has-text('Last seen')")
    await desk.on("input[type=search]", "fill", "cleo")
    await desk.shows(f"{TABLE}:has-text('1\u20131 of 1')")
    await desk.on("a.person:has-text('cleo')", "click")
    await desk.shows("main h1:has-text('cleo')")
    await expect_sound(desk, "person")

    # a suspension says why, and can be ended
    await desk.press("Suspend")
    await desk.fill("Reason They are told this.", HOSTILE)
    await submit(desk)
    await desk.shows("[aria-label='Why they can\u2019t log in'] td:has-text('<img src=x')")
    await desk.shows("header .tag.bad:has-text('Suspended')")
    await desk.press("End suspension")
    await submit(desk)
    await desk.hides("header .tag.bad")

    # what can't be undone has to be typed
    await desk.press("Delete account")
    assert await desk.on("dialog .button.danger", "isDisabled")
    await desk.on("dialog input", "fill", cleo)
    await submit(desk)
    await desk.shows("main h1:has-text('People')")
    await desk.shows(".none:has-text('Nobody found.')")

    # bans: what is no number is explained, what is one holds
    await section(desk, "Bans", ".none")
    await desk.press("Ban")
    await desk.on("dialog select", "selectOption", "prefix")
    await desk.on("dialog label:has-text('Banned') input", "fill", "nobody")
    await desk.on("dialog .button.danger", "click")
    await desk.shows("dialog [role=alert]:has-text('The server has refused this')")
    await expect_sound(desk, "ban")
    await desk.on("dialog label:has-text('Banned') input", "fill", "+99912")
    await submit(desk)
    await desk.shows("td:has-text('+99912')")
    assert "+99912" in (await asyncio.to_thread(server.kith, "user", "bans")).stdout

    # another operator sees all of it on a phone, and can change nothing
    await log_in(phone, "phone", "--read-only")
    await section(phone, "Bans", "td:has-text('+99912')")
    assert await phone.on("main button", "count") == 0
    await section(phone, "People", "tbody tr")
    await section(phone, "Log", "td:has-text('Banned prefix +99912')")
    await phone.shows("td:has-text('Account deleted cleo')")

    # who logs out leaves nothing; a token that is revoked ends
    await phone.press("Log out")
    await phone.shows("input[name=token]")
    assert await phone.evaluate("sessionStorage.length") == 0
    await asyncio.to_thread(server.kith, "admin", "token", "revoke", "desk")
    await desk.on("nav a:has-text('Log')", "click")
    await desk.shows("[role=alert]:has-text('not valid any more')")


async def test_reports_invitations_and_what_became_of_a_message(
    operators: tuple[Someone, Someone], server: RunningServer
) -> None:
    desk, phone = operators
    for name in ("vic", "spammer"):
        server.add_user(name)
    vic, spammer = await online(server.port, "vic"), await online(server.port, "spammer")
    spammer.send("<message to='vic@localhost' type='chat' id='offer-1'><body>Buy my coins</body></message>")
    await vic.message()
    head = "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"
    item = f"<item jid='spammer@localhost'>{head}<text>{ESCAPED}</text></report></item>"
    await vic.result("set", f"<block xmlns='urn:xmpp:blocking'>{item}</block>")
    await log_in(desk, "reports")
    await log_in(phone, "small")

    # a report leads to who is reported, whose messages can be followed, but not read
    for person in (phone, desk):
        await section(person, "Reports", "article:has-text('<img src=x')")
    await desk.on("article .who a:has-text('spammer')", "click")
    await desk.shows("main h1:has-text('spammer')")
    await desk.shows("[aria-label=Connections] .tag.good:has-text('Connected')")
    await desk.press("Show")
    await desk.shows("[aria-label=Messages] tr:has-text('To vic'):has-text('offer-1')")
    assert "coins" not in await desk.on("main", "innerText")
    await desk.press("Note each step")
    await submit(desk)
    await desk.shows("text=Each step is noted until")
    await expect_sound(desk, "trace")
    await desk.press("End all")
    await submit(desk)
    await desk.shows("[aria-label=Connections]:has-text('Not connected.')")
    await section(desk, "Reports", "article")
    await desk.press("Done")
    await submit(desk)
    await desk.shows("text=There are no open reports.")

    # an invitation is shown once, as a link and a code that lead to the same page
    await section(desk, "Invitations", ".none")
    await desk.press("Invite")
    await desk.on("dialog label:has-text('Contact') input", "fill", "nobody-here")
    await desk.on("dialog button[type=submit]", "click")
    await desk.shows("dialog [role=alert]:has-text('nobody-here')")
    await desk.on("dialog label:has-text('Contact') input", "fill", "vic")
    await desk.on("dialog button[type=submit]", "click")
    await desk.shows("dialog svg[role=img]")
    await expect_sound(desk, "invitation")
    link = (await desk.on("dialog .link", "innerText")).strip()
    assert re.fullmatch(r"https://.*/invite/\S+", link), link
    await desk.press("Close")
    await desk.shows("tr:has-text('They become a contact of'):has-text('vic')")
    # and revoked with a finger, on a screen that hardly has room for the dialog
    await section(phone, "Invitations", "tr:has-text('vic')")
    await phone.press("Revoke")
    await expect_sound(phone, "revoke")
    await submit(phone)
    await phone.shows("text=There are no open invitations.")
    for name, opens in (("Invitations", "Invite"), ("Bans", "Ban"), ("People", "Add account")):
        await section(phone, name, "main header .button")
        await phone.press(opens)
        await phone.shows("dialog button[type=submit]")
        await expect_sound(phone, opens)
        await phone.do("key", "Escape")
        await phone.hides("dialog")
    await section(phone, "Overview", ".figures dd")

    # what is announced reaches who is online, and is withdrawn
    await section(desk, "Announcements", ".none")
    await desk.press("Announce")
    await desk.on("dialog textarea", "fill", f"The server moves.\n{HOSTILE}")
    await submit(desk)
    await desk.shows("tr:has-text('The server moves.'):has-text('<img src=x')")
    told = await vic.message()
    assert (told.get("from"), body(told)) == ("localhost", f"The server moves.\n{HOSTILE}")
    await section(phone, "Announcements", "tr:has-text('The server moves.')")
    await phone.press("Cancel")
    await expect_sound(phone, "cancel")
    await submit(phone)
    await phone.shows("tr:has-text('Cancelled')")
    assert (await vic.message()).find("{urn:xmpp:message-retract:1}retract") is not None
    await section(desk, "Log", "tr:has-text('Announced to everybody')")
    for client in (vic, spammer):
        client.abort()


async def test_an_operator_comes_from_the_chat_app_and_nobody_else_does(
    operators: tuple[Someone, Someone], server: RunningServer
) -> None:
    anna, ben = operators
    anna.number = OPERATOR
    for person in (anna, ben):
        await person.register()
        await person.open("#/settings/about")
        await person.shows("text=Versions")
    await anna.shows("a[href='/admin']:has-text('You are an operator')")
    await anna.open("admin")
    await anna.press("Continue as \u2066+49 151 129 999 98\u2069")
    await anna.shows("main h1:has-text('Overview')")
    assert await anna.evaluate("sessionStorage.length") == 0
    assert await ben.on("a[href='/admin']", "count") == 0
    await ben.open("admin")
    await ben.shows("input[name=token]")
    assert await ben.on("button:has-text('Continue as')", "count") == 0
