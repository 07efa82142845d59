"""What people do with messages, chats and settings beyond writing, in real browsers on both sides."""

from __future__ import annotations

import itertools

from tests.web.people import People
from tests.web.person import DESKTOP
from tests.web.test_accessibility import expect_sound

#: Shown by the settings that have come: by its path, what is on it.
SCREENS = {
    "/settings/chats": "legend:has-text('Wallpaper')",
    "/settings/share": "svg[role=img]",
    "/settings/about": "text=Keyboard shortcuts",
    "/settings/lock": "text=What it does not do",
    "/settings/number": "input[type=tel]",
    "/to/%2B4915120000009%40localhost": "text=Start chat",
    "/scan": ".scan",
}
_numbers = itertools.count(1)


async def test_styles_pins_times_and_shortcuts_on_both_sides(people: People) -> None:
    ada, ben = await people.two()
    # a name is completed, an emoticon replaced and taken back, a selection made bold
    await ada.on("textarea", "pressSequentially", ":tad")
    await ada.shows("[role=option][aria-selected=true]:has-text(':tada:')")
    await expect_sound(ada, "emojis by name")
    await ada.do("key", "Enter")
    await ada.on("textarea", "pressSequentially", ":) ")
    assert await ada.on("textarea", "inputValue") == "🎉 🙂 "
    await ada.do("key", "Backspace")
    assert await ada.on("textarea", "inputValue") == "🎉 :) "
    await ada.on("textarea", "fill", "now")
    await ada.do("key", "Control+a")
    await ada.press("Bold")
    assert await ada.on("textarea", "inputValue") == "*now*"
    await ada.do("key", "Control+z")
    assert await ada.on("textarea", "inputValue") == "now"
    await ada.on("textarea", "fill", "*soon*\n> quoted\n- <b>item</b>")
    await ada.press("Send")
    await ben.shows(".message strong:text-is('soon')")
    await ben.shows(".message blockquote:text-is('quoted')")
    await ben.shows(".message li:text-is('<b>item</b>')")
    assert await ben.evaluate("document.querySelectorAll('.message b').length") == 0

    # pinned by one, seen by both, and taken off by the other
    await ada.menu("Hello", "Pin")
    await ada.shows("dialog[open] .button:text-is('Pin')")
    await expect_sound(ada, "for how long")
    await ada.on("dialog .button:not(.quiet)", "click")
    for person in (ada, ben):
        await person.shows(".pins:has-text('Hello')")
    await expect_sound(ben, "a pinned message")
    await ben.press("Unpin")
    await ada.hides(".pins")

    # when it was read, and what it said before
    await ada.write("first")
    await ada.marked("first", "read")
    await ada.menu("first", "Edit")
    await ada.on("textarea", "fill", "second")
    await ada.do("key", "Enter")
    await ben.reads("second")
    await ben.menu("second", "Info")
    await ben.shows("dialog li:has-text('first')")
    await ben.do("key", "Escape")
    await ada.menu("second", "Info")
    await ada.shows("dialog dl > div:has-text('Read') time")
    await expect_sound(ada, "message info")
    await ada.do("key", "Escape")

    # by keys alone: the list of shortcuts, mute, archive
    await ada.do("key", "Control+/")
    await ada.shows("dialog kbd:text-is('Alt+Shift+N')")
    await expect_sound(ada, "the shortcuts")
    await ada.do("key", "Escape")
    await ada.do("key", "Alt+Shift+M")
    await ada.shows(".chat-row :text('Muted')")
    await ada.press("Undo")
    await ada.do("key", "Alt+Shift+N")
    await ada.shows("[aria-label='Name, number or address']")
    await ada.do("key", "Escape")


async def test_chats_are_filtered_selected_and_deleted(people: People) -> None:
    ada, ben = await people.two()
    await ada.close_chat()
    await ada.on(".chat-row:has-text('Ben')", "click", {"button": "right"})
    await ada.press("Add to favourites", "menuitem")
    await ada.press("Favourites")
    await ada.shows(".chat-row:has-text('Ben')")
    await ben.write("unread")
    await ada.shows(".chat-row .badge")
    await ada.press("All", "button")
    await ada.press("Menu")
    await ada.press("Mark all as read", "menuitem")
    await ada.hides(".chat-row .badge")
    await ben.marked("unread", "read")
    await ada.on(".chat-row:has-text('Ben')", "click", {"button": "right"})
    await ada.press("Select", "menuitem")
    await expect_sound(ada, "selecting chats")
    await ada.press("Delete chat")
    await ada.on("dialog .button.danger", "click")
    await ada.hides(".chat-row:has-text('Ben')")
    await ben.write("again")
    await ada.open_chat("again")
    assert await ada.texts() == ["again"]
    # screens that have come with these
    await ben.do("page", "setViewportSize", {"width": 320, "height": 640})
    await ben.do("page", "emulateMedia", {"colorScheme": "dark"})
    for path, there in SCREENS.items():
        for person in (ada, ben):
            await person.open(f"#{path}")
            await person.shows(there)
            await expect_sound(person, path)


async def test_a_browser_that_is_locked_shows_nothing_of_a_person(people: People) -> None:
    ada, ben = await people.two()
    await ada.open("#/settings/lock")
    await ada.fill("New PIN or password", "2580")
    await ada.fill("Once more", "2580")
    await ada.press("Turn on")
    await ada.shows("text=Lock now")
    await ada.open(f"#/chat/{ben.address}")
    await ada.reads("Hello")
    await ada.do("page", "reload")
    await ada.shows("h1:has-text('Kith is locked')")
    await expect_sound(ada, "the lock")
    page: str = await ada.evaluate("document.body.innerText + location.href + document.title")
    for secret in ("Hello", "Ben", ben.number):
        assert secret not in page
    await ben.write("are you there?")
    await ben.marked("are you there?", "delivered", "sent")
    await ada.fill("PIN or password", "1111")
    await ada.press("Unlock")
    await ada.shows("[role=alert]:has-text('Wrong PIN')")
    await ada.fill("PIN or password", "2580")
    await ada.press("Unlock")
    await ada.open_chat("are you there?")
    await ada.do("key", "Alt+Shift+L")
    await ada.shows("h1:has-text('Kith is locked')")


async def test_another_number_moves_all_browsers_also_one_that_is_away(people: People) -> None:
    ada, ben = await people.two()
    tablet = await people.linked(ada, DESKTOP)
    await tablet.open("#/")
    await tablet.shows(".home")
    await tablet.do("page", "goto", "about:blank")
    old = ada.address
    ada.number = f"+49151{next(_numbers) + 7_000_000:08}"
    await ada.open("#/settings/number")
    await ada.fill("New phone number", ada.number)
    await ada.press("Continue")
    await ada.fill("Six-digit code", await ada.code())
    await ada.press("Confirm the new number")
    # the page loads anew, under the new address
    await ada.shows("input[type=tel]")
    await ada.shows(f".hint:has-text('{ada.number[:3]} {ada.number[3:6]}')")
    await ada.open("#/")
    await ada.open_chat("Hello")
    await ada.write("from the new number")
    await ben.open("#/")
    await ben.open_chat("from the new number")
    await ben.reads("from the new number")
    # the other browser was away meanwhile: its login was not revoked, and its keys are there
    await tablet.open("#/")
    await tablet.open_chat("from the new number")
    await tablet.write("from the tablet")
    await ada.reads("from the tablet")
    assert await tablet.evaluate("localStorage.getItem('kith.address')") == ada.address != old
