"""What happens in chats beside writing: time passes, people are away, do things at once, are a nuisance."""

from __future__ import annotations

import asyncio
import json
import re

from tests.api.test_devices import forget_codes
from tests.web.device import until
from tests.web.people import People, down
from tests.web.person import DESKTOP, PHONE, Someone, meet

#: Lets the page believe that it is later, from its next loading on, by the device's clock and by what the
#: server says of its own (XEP-0202); times are in milliseconds.
LATER = """(() => {
  const Real = Date, by = Number(localStorage.getItem('test.device') ?? 0);
  const server = Number(localStorage.getItem('test.server') ?? 0);
  const told = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data').get;
  Object.defineProperty(MessageEvent.prototype, 'data', { get() {
    const data = told.call(this);
    if (typeof data !== 'string') return data;
    return data.replace(/(<utc[^>]*>)([^<]+)/, (_, tag, at) =>
      tag + new Real(Real.parse(at) + server).toISOString());
  } });
  if (by) globalThis.Date = class extends Real {
    constructor(...given) { if (given.length) super(...given); else super(Real.now() + by); }
    static now() { return Real.now() + by; }
  };
})()"""
#: Lets the page believe that nobody looks at it.
AWAY = """(() => {
  Object.defineProperty(document, 'visibilityState', { get: () => globalThis.away ? 'hidden' : 'visible' });
  document.hasFocus = () => !globalThis.away;
})()"""
TOLD = """navigator.serviceWorker.getRegistration()
  .then((worker) => worker.getNotifications())
  .then((all) => all.map(({ title, body, tag }) => [title, body, tag]))"""


async def later(person: Someone, *, device: int, server: int) -> None:
    """So many hours later, by the device's clock and by the server's."""
    for clock, hours in (("device", device), ("server", server)):
        await person.evaluate(f"localStorage.setItem('test.{clock}', '{hours * 3_600_000}')")
    await person.do("page", "reload")
    await person.shows(".history.placed")


async def test_messages_disappear_on_both_sides_by_the_servers_clock_and_not_before(people: People) -> None:
    ada, ben = await people.two()
    for person in (ada, ben):
        await person.do("page", "addInitScript", {"content": LATER})
    await ada.open(f"#/chat/{ben.address}/info")
    await ada.on("button.row:has-text('Disappearing messages')", "click")
    await ada.on("dialog label:has-text('1 day') input", "click")
    await ada.open(f"#/chat/{ben.address}")
    for person in (ada, ben):
        await person.shows(".about:has-text('New messages disappear after 1 day.')")
    await ada.write("for today")
    await ben.reads("for today")
    await ben.write("so is this")
    await ada.reads("so is this")
    async with down(people.server):
        pass
    for person in (ada, ben):
        await later(person, device=23, server=23)
        await person.reads("for today")
        await person.reads("so is this")
        await later(person, device=25, server=0)  # somebody has set the device's clock
        await person.reads("for today")
        await person.reads("so is this")
        await later(person, device=0, server=25)
        await person.hides(person.bubble("for today"))
        await person.hides(person.bubble("so is this"))
        await person.reads("Hello")  # from before
        found = [message["text"] for message in await person.stored("messages")]
        assert "for today" not in found
        assert "so is this" not in found


async def counted(person: Someone) -> bool:
    """Whether the title of the page says that something is unread."""
    return str(await person.do("page", "title")).startswith("(1)")


async def test_who_does_not_look_is_notified_unless_the_chat_is_muted(people: People) -> None:
    ada, ben = await people.one("Ada"), await people.one("Ben")
    await ben.do("context", "grantPermissions", ["notifications"])
    await ben.do("page", "addInitScript", {"content": AWAY})
    await meet(ada, ben)
    await ben.open("#/settings/notifications")
    await ben.on("[role=switch]:has-text('For new messages')", "click")
    await ben.open("#/")
    await ben.keeps_the_app()  # only its notifications can be asked for

    async def told(*wanted: list[str]) -> None:
        async def fits() -> bool:
            return bool(await ben.evaluate(TOLD) == list(wanted))

        await until(fits)

    await ada.write("while you look")
    await ben.shows(".chat-row:has-text('while you look')")
    await told()
    await ben.evaluate("globalThis.away = true")
    await ada.write("while you do not")
    await told(["Ada", "while you do not", ada.address])
    await until(lambda: counted(ben))
    await ben.evaluate(
        "navigator.serviceWorker.dispatchEvent(new MessageEvent('message', "
        f"{{ data: {{ open: '{ada.address}' }} }}))"
    )
    await ben.evaluate("globalThis.away = false")
    await ben.evaluate("dispatchEvent(new Event('focus'))")
    await ben.reads("while you do not")
    await told()  # it was read
    await ben.close_chat()
    await ben.evaluate("globalThis.away = true")
    await ada.write("said too much")
    await told(["Ada", "said too much", ada.address])
    await ada.menu("said too much", "Delete")
    await ada.press("Delete for everyone")
    await told()  # it was taken back
    await ben.on(".chat-row", "click", {"button": "right"})
    await ben.press("Mute", "menuitem")
    await ben.press("Always")
    await ben.shows(".chat-row:has-text('Muted')")
    await ada.write("be quiet")
    await ben.shows(".chat-row:has-text('be quiet')")
    await told()


async def test_one_comes_back_to_the_first_message_that_one_has_not_read(people: People) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP)
    await ben.close_chat()
    for number in range(3):
        await ada.write(f"news {number}")
    await ben.shows(".chat-row .badge:has-text('3')")
    await ada.marked("news 2", "delivered")
    await ben.open_chat("news 2")
    await ben.shows(".divider:has-text('unread message')")
    await ada.marked("news 2", "read")
    await ben.hides(".chat-row .badge")


async def test_the_address_book_shows_who_is_here(people: People) -> None:
    """Phones have a picker for contacts (Contact Picker API); Debian's Chromium has none."""
    ada, ben = await people.one("Ada", PHONE), await people.one("Ben")
    picker = (
        "navigator.contacts = { select: async () => "
        f"[{{ name: ['Benjamin'], tel: ['{ben.number}', '+49 151 99999999'] }}] }}"
    )
    await ada.do("page", "addInitScript", {"content": picker})
    await ada.register()
    await ben.register()
    await ada.on("[aria-label='New chat']", "click")
    await ada.on("button:has-text('Search your address book')", "click")
    await ada.shows("text=1 of your contacts is on Kith")
    await ada.on(".row:has-text('Benjamin')", "click")
    await ada.shows("textarea")
    await ada.write("Found you")
    await ben.open_chat("Found you")


async def test_what_is_done_to_messages_without_a_server_arrives_once_and_in_order(people: People) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP)
    for text in ("one", "two", "three"):
        await ada.write(text)
        await ben.reads(text)
    async with down(people.server):
        await ada.menu("one", "Edit")
        await ada.on("textarea", "fill", "first")
        await ada.do("key", "Enter")
        await ada.reads("first")
        await ada.menu("first", "Edit")
        await ada.on("textarea", "fill", "first of all")
        await ada.do("key", "Enter")
        await ada.menu("two", "Delete")
        await ada.press("Delete for everyone")
        await ben.menu("three", "React with ❤️")
        await ben.menu("three", "React with 👍")
        await ada.write("four")
    for person in (ada, ben):
        await person.reads("first of all")
        await person.shows(".gone")
        await person.shows(f"{person.bubble('three')} .reactions button:has-text('👍')")
        await person.reads("four")

    deleted = {"You deleted this message", "This message was deleted"}
    for person in (ada, ben):
        texts = await person.texts()
        assert [text for text in texts if text not in deleted] == ["Hello", "first of all", "three", "four"]
    assert await ben.on(".gone", "count") == 1
    assert await ada.on(".reactions button", "count") == 1
    await ada.marked("four", "read")


async def test_a_finger_that_stays_opens_the_menu(people: People) -> None:
    _, ben = await people.two(DESKTOP, PHONE)
    await ben.do("hold", f"{ben.bubble('Hello')} .bubble", 700)
    await ben.press("React with 👍", "menuitem")
    await ben.shows(".reactions button:has-text('👍')")


async def test_two_tabs_are_one_device_and_the_second_goes_on_when_the_first_is_closed(
    people: People,
) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP)
    await ada.do("tab", 1)
    await ada.open(f"#/chat/{ben.address}")
    await ada.reads("Hello")
    await ada.write("from the second tab")
    await ben.reads("from the second tab")
    await ben.write("to both")
    await ada.reads("to both")
    await ada.do("tab", 0)
    await ada.reads("from the second tab")
    await ada.reads("to both")
    await ada.do("page", "close")
    await ada.do("tab", 1)
    await ben.write("to the one that is left")
    await ada.reads("to the one that is left")
    await ada.write("which can write as well")
    await ben.reads("which can write as well")
    for person in (ada, ben):
        texts = await person.texts()
        assert len(texts) == len(set(texts)) == 5
    await ada.open("#/settings/devices")
    await ada.shows("li:has-text('This device')")
    assert await ada.on(".pane ul:first-of-type li", "count") == 1


async def test_the_history_can_be_taken_away_as_a_file_without_keys(people: People) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP)
    await ben.write("keep this")
    await ada.reads("keep this")
    await ada.open("#/settings/storage")
    name, content = await ada.do("download", "Export")
    assert name.startswith("kith-")
    saved = json.loads(content)
    assert saved["account"] == ada.address
    assert [message["text"] for message in saved["messages"] if message["kind"] == "text"] == [
        "Hello",
        "keep this",
    ]
    assert [contact["address"] for contact in saved["contacts"] if contact["address"] == ben.address]
    assert any("token" in json.dumps(fact) for fact in await ada.stored("facts"))
    assert '"token"' not in content


async def test_what_the_server_says_is_a_chat_in_which_one_only_reads(people: People) -> None:
    ada, other = await people.one("Ada"), await people.one("Ada", PHONE)
    await ada.register()
    other.number = ada.number
    forget_codes(people.server)
    await other.open()
    await other.show_number()
    await ada.open_chat("A new device has logged in")
    await ada.shows(".conversation header .name:has-text('Kith')")
    await ada.shows("text=Only it can write here")
    for what in ("textarea", ".request", ".plain"):
        assert await ada.on(f".conversation {what}", "count") == 0, what
    await ada.on(".message .bubble", "click", {"button": "right"})
    await ada.shows("[role=menuitem]:has-text('Copy')")
    assert await ada.on("[role=menuitem]:has-text('Reply')", "count") == 0
    await ada.do("key", "Escape")
    await ada.hides(".chat-row .badge")
    await ada.open("#/chat/localhost/info")
    await ada.shows(".side h2:text-is('Kith')")
    for what in ("Block", "Report", "Safety number", "Add to contacts", "Disappearing"):
        assert await ada.on(f".side .row:has-text('{what}')", "count") == 0, what
    await ada.on("[role=switch]:has-text('Mute')", "click")
    await ada.press("Always")
    await ada.shows(".chat-row:has-text('Muted')")


async def test_an_announcement_is_seen_as_one_also_by_who_was_away_and_can_be_withdrawn(
    people: People,
) -> None:
    ada, ben = await people.one("Ada"), await people.one("Ben", PHONE)
    await ada.register()
    await ben.register()
    await ben.open("#/settings/about")
    await ben.do("page", "goto", "about:blank")

    text = "On Sunday, 6 December, the server moves.\nIt is back at noon."
    said = (await asyncio.to_thread(people.server.kith, "announce", text)).stdout
    for person in (ada, ben):
        if person is ben:
            await ben.open()
        await person.shows(".chat-row:has-text('Kith'):has-text('the server moves') .badge")
        await person.open_chat("the server moves")
        await person.shows(".message:has(.announcement:has-text('Announcement to everybody'))")
        bubble = ".message .bubble:has-text('It is back at noon.')"
        await person.shows(bubble)
        await person.shows(".conversation header .name:has-text('Kith')")
        # nothing can be answered, and nothing leads nowhere
        for what in ("textarea", ".request", ".plain", ".prompt"):
            assert await person.on(f".conversation {what}", "count") == 0, what
        await person.on(bubble, "dblclick")
        assert await person.on("textarea", "count") == 0
    id = re.search(r"--cancel (\S+)", said)
    assert id is not None
    await asyncio.to_thread(people.server.kith, "announce", "--cancel", id[1])
    for person in (ada, ben):
        await person.shows(".message .gone")
        assert await person.on(".announcement", "count") == 0
        assert text.splitlines()[0] not in "".join(await person.texts())
        assert "withdrawn" not in "".join(await person.texts())
