"""What only the server can do, while the network is cut or the server restarts in the middle of it."""

from __future__ import annotations

import asyncio

from tests.web.device import until
from tests.web.people import Interruption, People
from tests.web.person import DESKTOP, meet
from tests.web.test_app import row
from tests.web.test_life import AWAY, TOLD

ONLINE = ".who p:text-is('online')"
UNREACHABLE = "[role=status]:has-text('Can’t reach the server')"


async def test_one_registers(people: People, interrupted: Interruption) -> None:
    ada = await people.one("Ada", DESKTOP, await people.cable())
    await ada.open()
    await ada.fill("Phone number", ada.number)
    async with interrupted(ada):
        await ada.press("Continue")
        await ada.shows("[role=alert]:has-text('Can’t reach the server')")
    await ada.press("Continue")
    await ada.shows("input[name=code]")
    code = await ada.code()
    async with interrupted(ada):
        await ada.on("input[name=code]", "fill", code)
        await ada.shows("[role=alert]:has-text('Can’t reach the server')")
    await ada.press("Continue")
    await ada.shows("form .picture")
    async with interrupted(ada):
        await ada.fill("Your name", "Ada")
        await ada.press("Continue")
    await ada.shows(".home")


async def test_contacts_are_named_removed_blocked_and_reported(
    people: People, interrupted: Interruption
) -> None:
    ada, ben = await people.two(cables=True)
    await ada.open(f"#/chat/{ben.address}/info")
    await ada.shows(ONLINE)
    async with interrupted(ada):
        await ada.hides(ONLINE)
        await ada.on("button.row:has-text('Change name')", "click")
        await ada.fill("Name", "Benjamin")
        await ada.press("Save")
    await ada.shows("h2:has-text('Benjamin')")
    await ada.shows(ONLINE)
    async with interrupted(ada):
        await ada.on("button.row:has-text('Block')", "click")
        await ada.on("dialog .button.danger", "click")
    await ada.shows("button.row:has-text('Unblock')")
    await ben.write("can you hear me?")
    await ben.marked("can you hear me?", "sent", "failed")
    async with interrupted(ada):
        await ada.on("button.row:has-text('Unblock')", "click")
    await ada.shows("button.row:has(.text:text-is('Block'))")
    await ben.write("and now?")
    # Telling the server blocks for a moment, and what comes in it is refused
    await ben.marked("and now?", "delivered", "read")
    async with interrupted(ada):
        await ada.on("button.row:has-text('Report')", "click")
        await ada.on("dialog input[type=checkbox]", "uncheck")
        await ada.on("dialog .button.danger", "click")
    await ada.shows("[role=status]:has-text('Thank you')")
    assert ben.address in ada.server.kith("reports").stdout
    await ben.write("still there?")
    await ada.open(f"#/chat/{ben.address}")
    await ada.reads("and now?")
    await ada.reads("still there?")
    assert "can you hear me?" not in await ada.texts()


async def test_settings_are_changed_or_it_is_said_that_they_are_not(
    people: People, interrupted: Interruption
) -> None:
    ada, ben = await people.two(cables=True)
    receipts = "button[role=switch]:has-text('Read receipts')"
    async with interrupted(ada):
        await ada.open("#/settings/privacy")
        await ada.shows("[role=alert]:has-text('Can’t reach the server')")
    await ada.shows(f"{receipts}[aria-checked=true]")
    async with interrupted(ada):
        await ada.on(receipts, "click")
        await ada.shows(UNREACHABLE)
        await ada.shows(f"{receipts}[aria-checked=true]")
    await ada.on(receipts, "click")
    await ada.shows(f"{receipts}[aria-checked=false]")
    await ada.open("#/settings/pin")
    await ada.fill("Six-digit PIN", "123456")
    await ada.fill("Repeat PIN", "123456")
    await ada.press("Set PIN")
    await ada.open("#/settings/apps")
    await ada.fill("App, e.g. Gajim", "Gajim")
    await ada.press("Create")
    await ada.press("Done")
    await ada.open("#/settings/profile")
    async with interrupted(ada):
        await ada.fill("Your name", "Ada Lovelace")
        await ada.press("Save")
    await ben.shows(".conversation[aria-label='Ada Lovelace']")
    async with interrupted(ada):
        await ada.open("#/settings/apps")
        await ada.shows("[role=alert]:has-text('Can’t reach the server')")
    await ada.shows("li:has-text('Gajim')")
    await ada.open("#/settings/pin")
    await ada.shows("button:has-text('Remove PIN')")
    await ada.open("#/settings/privacy")
    await ada.shows(f"{receipts}[aria-checked=false]")
    # nobody sees any more what she has read, and it is not lost either
    await ben.write("have you read this?")
    await ada.open(f"#/chat/{ben.address}")
    await ada.reads("have you read this?")
    await ben.marked("have you read this?", "delivered")


async def test_what_was_read_and_set_without_a_connection_is_seen_elsewhere(
    people: People, interrupted: Interruption
) -> None:
    ada, ben = await people.two(cables=True)
    await ada.open("#/")
    await ada.hides("textarea")
    await ben.write("read me")
    await ada.shows(".chat-row:has-text('read me') .badge")
    async with interrupted(ada):
        await ada.open_chat("read me")
        await ada.reads("read me")
        await ada.on(".chat-row", "click", {"button": "right"})
        await ada.press("Pin", "menuitem")
    await ben.marked("read me", "read")
    other = await people.one("Ada", DESKTOP, ada.cable)
    await other.open()
    async with interrupted(ada):
        await other.press("Log in with a QR code")
        await other.shows("text=Can’t reach the server")
    await other.press("Show a new code")
    code = await other.link_code()
    async with interrupted(ada):  # the code stays good
        await asyncio.sleep(1)
    await ada.open("#/settings/link")
    await ada.fill("Or paste the link", code)
    async with interrupted(ada):
        await ada.press("Link device")
        await ada.shows("[role=alert]:has-text('Can’t reach the server')")
    await ada.press("Link device")
    await other.shows(".home")
    await ben.write("for all of you")
    await ada.open("#/")
    await ada.shows(".chat-row:has-text('for all of you')")
    await other.open_chat("for all of you")
    await other.shows(".chat-row:has-text('Pinned')")


async def test_who_logs_out_without_a_connection_leaves_nothing(
    people: People, interrupted: Interruption
) -> None:
    ada, _ = await people.two(cables=True)
    async with interrupted(ada):
        await ada.log_out()
        assert await ada.evaluate("indexedDB.databases().then((all) => all.map((one) => one.name))") == []


async def test_what_is_arranged_without_a_connection_holds_and_reaches_the_other_side(
    people: People, interrupted: Interruption
) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP, cables=True)
    await ada.marked("Hello", "read")
    async with interrupted(ada):
        await row(ada, "Hello", "Mute")
        await ada.press("Always")
        await ada.open(f"#/chat/{ben.address}/info")
        await ada.on("button.row:has-text('Disappearing messages')", "click")
        await ada.on("dialog label:has-text('1 day') input", "click")
        await ada.open(f"#/chat/{ben.address}/safety")
        await ada.verify("Ben")
        await ada.open(f"#/chat/{ben.address}")
        await ada.menu("Hello", "Star")
        await ada.menu("Hello", "Reply")
        await ada.write("again")
        await ada.menu("again", "Forward")
        await ada.on("dialog label:has-text('Ben')", "click")
        await ada.on("dialog .button:not(.quiet)", "click")
        await ada.on("textarea", "type", "not yet")
    await ben.shows(".about:has-text('New messages disappear after 1 day.')")
    await ben.shows(f"{ben.bubble('again')} .reply:has-text('Hello')")
    await ben.shows(".message:has-text('Forwarded') .text:text-is('again')")
    assert await ben.texts() == ["Hello", "again", "again"]
    await ada.do("page", "reload")
    await ada.shows(".message [data-progress=read] >> nth=2")
    await ada.open("#/")
    await ada.shows(".chat-row:has-text('Muted')")
    await ada.shows(".chat-row:has(.draft):has-text('not yet')")
    await ada.open(f"#/chat/{ben.address}/safety")
    await ada.shows("[role=status]:has-text('You have verified Ben')")
    await ada.open("#/starred")
    await ada.shows(".pane :text('Hello')")


async def test_a_second_tab_takes_over_without_a_connection(
    people: People, interrupted: Interruption
) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP, cables=True)
    async with interrupted(ada):
        await ada.write("from the first tab")
        await ada.do("tab", 1)
        await ada.open(f"#/chat/{ben.address}")
        await ada.reads("from the first tab")
        await ada.write("from the second")
        await ada.do("tab", 0)
        await ada.reads("from the second")
        await ada.do("page", "close")
        await ada.do("tab", 1)
        await ada.write("from the one that is left")
    await ben.reads("from the one that is left")
    await ben.write("I see")
    await ada.reads("I see")
    wanted = ["Hello", "from the first tab", "from the second", "from the one that is left", "I see"]
    for person in (ada, ben):
        assert await person.texts() == wanted


async def test_one_is_notified_once_of_what_came_while_the_connection_was_gone(
    people: People, interrupted: Interruption
) -> None:
    ada, ben = await people.one("Ada", DESKTOP, await people.cable()), await people.one("Ben")
    await ada.do("context", "grantPermissions", ["notifications"])
    await ada.do("page", "addInitScript", {"content": AWAY})
    await meet(ben, ada)
    await ada.open("#/settings/notifications")
    await ada.on("[role=switch]:has-text('For new messages')", "click")
    await ada.open("#/")
    await ada.keeps_the_app()  # only its notifications can be asked for
    await ada.evaluate("globalThis.away = true")
    async with interrupted(ada):
        await ben.write("did you hear?")

    async def told() -> bool:
        return bool(await ada.evaluate(TOLD) == [["Ben", "did you hear?", ben.address]])

    await until(told)
    await ada.shows(".chat-row .badge:has-text('1')")
    async with interrupted(ada):
        await asyncio.sleep(1)
    await ben.write("good")
    await ada.shows(".chat-row .badge:has-text('2')")
    assert await ada.evaluate(f"({TOLD}).then((all) => all.length)") == 1  # the newest of the chat
