"""The web app as people use it: two of them, in browsers of their own, against a real server."""

from __future__ import annotations

import asyncio

from tests.api.test_devices import forget_codes
from tests.web.device import until
from tests.web.people import People, down
from tests.web.person import DESKTOP, PHONE, SEED, WEIGHT, Someone

#: One of them, by what the browser says of the network.
NO_CONNECTION = "[role=status] .notice:has-text('offline'), [role=status] .notice:has-text('Connecting')"


async def test_two_people_register_and_chat(people: People) -> None:
    ada, ben = await people.two()
    await ada.marked("Hello", "read")
    await ben.write("Hi Ada 👋")
    await ada.reads("Hi Ada 👋")
    await ben.marked("Hi Ada 👋", "read")
    # each sees the other's name from the profile, once they are contacts
    await ada.shows(".conversation header .name:has-text('Ben')")
    await ben.shows(".conversation header .name:has-text('Ada')")

    await ada.menu("Hi Ada 👋", "Reply")
    await ada.write("how are you?")
    await ben.shows(f"{ben.bubble('how are you?')} .reply:has-text('Hi Ada')")
    await ada.menu("Hi Ada 👋", "React with ❤️")
    await ben.shows(".reactions button:has-text('❤️')")

    await ada.menu("how are you?", "Edit")
    await ada.on("textarea", "fill", "how are you all?")
    await ada.do("key", "Enter")
    await ben.shows(f"{ben.bubble('how are you all?')} .meta:has-text('edited')")

    await ada.menu("how are you all?", "Delete")
    await ada.press("Delete for everyone")
    await ben.shows(".gone:has-text('This message was deleted')")
    await ada.shows(".gone:has-text('You deleted this message')")

    await ada.on("textarea", "pressSequentially", "typ")
    await ben.shows(".status:has-text('typing')")


async def test_what_others_write_is_never_markup(people: People) -> None:
    ada, ben = await people.two()
    evil = "<img src=x onerror=alert(1)> <b>bold</b> javascript:alert(1) https://example.org/a_(b)."
    await ada.on("textarea", "fill", evil)
    await ada.press("Send")

    async def came() -> bool:
        return evil in await ben.texts()

    await until(came)
    assert await ben.evaluate("document.querySelectorAll('.message img, .message b').length") == 0
    links = await ben.evaluate(
        "[...document.querySelectorAll('.message a')].map((a) => [a.href, a.rel, a.target])"
    )
    assert links == [["https://example.org/a_(b)", "noopener noreferrer", "_blank"]]
    # even a mistake of ours could not make it so: the browser refuses texts where markup is meant
    refused = "(() => { try { %s } catch (error) { return error.name } })()"
    ben.provoked = ("TrustedHTML", "TrustedScriptURL", "trusted-types")
    for mistake in (
        "document.body.innerHTML = '<b>x</b>'",
        "document.createElement('script').src = '/x.js'",
        "trustedTypes.createPolicy('another', {})",
    ):
        assert await ben.evaluate(refused % mistake) == "TypeError"


async def test_without_network_it_opens_shows_the_history_and_keeps_what_one_writes(people: People) -> None:
    ada, ben = await people.two()
    await ada.keeps_the_app()
    await ada.do("context", "setOffline", True)
    async with down(people.server):  # Chromium cuts everything but WebSockets
        await ada.write("from the train")
        await ada.do("page", "reload")
        await ada.reads("Hello")
        await ada.reads("from the train")
        await ada.marked("from the train", "waiting")
        await ada.write("and one more")
        await ada.shows(NO_CONNECTION)
        await ben.write("are you there?")
    await ada.do("context", "setOffline", False)
    await ben.reads("and one more")
    await ada.reads("are you there?")
    assert sorted(await ben.texts()) == sorted(await ada.texts())
    assert len(await ada.texts()) == 4
    await ada.hides(NO_CONNECTION)


async def test_the_app_is_kept_though_the_network_goes_while_it_is_fetched(people: People) -> None:
    ada = await people.one("Ada", DESKTOP, await people.cable())
    assert ada.cable is not None
    ada.cable.budget = 400_000  # more than the first screen, less than all
    opening = asyncio.create_task(ada.open())
    while ada.cable.budget is not None:
        await asyncio.sleep(0)
    ada.cable.unplug()
    await opening
    await ada.shows("input")
    await asyncio.sleep(1)
    assert await ada.evaluate("navigator.serviceWorker.controller === null")
    await ada.cable.plug_in()
    await ada.keeps_the_app()
    ada.cable.unplug()
    await ada.do("page", "reload")
    await ada.shows("input")
    await ada.cable.plug_in()


async def test_the_beginning_of_a_chat_is_asked_for_again_when_the_connection_is_back(people: People) -> None:
    """And not all the time while there is none."""
    ada, _ = await people.two()
    await ada.keeps_the_app()
    await ada.evaluate("location.hash = '#/'")
    await _forget_where_it_begins(ada)
    await ada.do("context", "setOffline", True)
    async with down(people.server):
        await ada.do("page", "reload")
        await ada.open_chat("Hello")
        await ada.shows(NO_CONNECTION)
        await ada.evaluate(
            "window.reads = 0; const get = IDBObjectStore.prototype.get;"
            "IDBObjectStore.prototype.get = function (key) { window.reads += 1; return get.call(this, key) }"
        )
        await asyncio.sleep(2)
        assert await ada.evaluate("window.reads") < 100
        assert await ada.on(".about:has-text('end-to-end encrypted')", "count") == 0
    await ada.do("context", "setOffline", False)
    await ada.shows(".about:has-text('end-to-end encrypted')")


async def _forget_where_it_begins(person: Someone) -> None:
    """What the browser knows of how far the server was asked."""
    await person.evaluate("""(async () => {
      for (const { name } of await indexedDB.databases()) {
        if (!name.startsWith('kith ')) continue;
        const db = await new Promise((done) => {
          indexedDB.open(name).onsuccess = (event) => done(event.target.result);
        });
        const write = db.transaction('facts', 'readwrite');
        write.objectStore('facts').delete(IDBKeyRange.bound('older ', 'older \\uffff'));
        await new Promise((done) => (write.oncomplete = done));
        db.close();
      }
    })()""")


async def test_a_server_that_restarts_in_the_middle_loses_nothing(people: People) -> None:
    ada, ben = await people.two()
    async with down(people.server):
        await ada.write("one")
        await ada.marked("one", "waiting")
        await ben.write("two")
    await ada.reads("two")
    await ben.reads("one")
    await ada.marked("one", "delivered", "read")
    assert (await ada.texts()).count("two") == (await ben.texts()).count("one") == 1


async def test_a_browser_comes_in_by_the_code_that_it_shows(people: People) -> None:
    ada = await people.one("Ada")
    await ada.register()
    await people.linked(ada, PHONE)
    await ada.open("#/settings/devices")
    await ada.shows("li:has-text('This device')")
    assert await ada.on(".pane ul:first-of-type li", "count") == 2


async def test_it_is_light_and_draws_only_what_is_seen_of_a_long_history(people: People) -> None:
    ada = await people.one("Ada", {**DESKTOP, "serviceWorkers": "block"})
    await ada.register()
    await ada.do("page", "reload")
    await ada.shows(".home")
    weight = await ada.evaluate(WEIGHT)
    assert 20_000 < weight["script"] < 300_000
    assert weight["style"] < 40_000
    chat = await ada.evaluate(f"({SEED})(20000)")
    await ada.do("page", "reload")
    await ada.open_chat("Message 19999")
    await ada.reads("Message 19999 " + "with some words " * (19999 % 7))

    async def far_up() -> bool:
        await ada.evaluate("document.querySelector('.history').scrollTop = 0")
        return bool(await ada.on(".message:has-text('Message 19600 ')", "count"))

    await until(far_up, 40)
    assert await ada.on(".message", "count") < 300
    await ada.open(f"#/chat/{chat}/at/{chat} id-9999")
    await ada.shows(".message:has-text('Message 9999 ')")
    assert await ada.on(".message", "count") < 300
    await ada.press("Scroll to the latest message")
    await ada.shows(".message:has-text('Message 19999 ')")


async def test_who_is_logged_out_from_elsewhere_can_go_on_or_delete(people: People) -> None:
    ada = await people.one("Ada")
    await ada.register()
    await ada.open("#/settings/apps")
    await ada.fill("App, e.g. Gajim", "Gajim")
    await ada.press("Create")
    await ada.shows("dialog .password")
    await ada.press("Done")
    await ada.hides("dialog")
    await ada.open("#/settings/pin")
    await ada.fill("Six-digit PIN", "271828")
    await ada.fill("Repeat PIN", "271828")
    await ada.press("Set PIN")
    await ada.shows("button:text-is('Change PIN')")
    await asyncio.to_thread(people.server.kith, "device", "revoke", ada.address, "--all")
    await ada.shows("h1:text-is('You were logged out on this device.')")
    await ada.press("Log in again")
    forget_codes(people.server)
    await ada.show_number()
    await ada.on("input[name=pin]", "fill", "271828")
    await ada.shows(".home")


async def test_who_logs_out_leaves_nothing_in_the_browser(people: People) -> None:
    ada, _ = await people.two()
    await ada.log_out()

    async def wiped() -> bool:
        return bool(await ada.evaluate("indexedDB.databases().then((all) => all.length === 0)"))

    await until(wiped)
    kept = await ada.evaluate("Object.keys(localStorage)")
    assert set(kept) <= {"kith.theme", "kith.language"}


async def test_two_see_the_same_safety_number_and_can_say_that_they_have_compared(people: People) -> None:
    ada, ben = await people.two()
    numbers = []
    for person, other in ((ada, ben), (ben, ada)):
        await person.open(f"#/chat/{other.address}/safety")
        await person.shows(".digits span")
        numbers.append(await person.on(".digits span", "allTextContents"))
    assert numbers[0] == numbers[1]
    assert len("".join(numbers[0])) == 60
    await ada.verify("Ben")


async def row(person: Someone, text: str, item: str) -> None:
    """What one does with a chat, by the menu of its row."""
    await person.on(f".chat-row:has-text('{text}')", "click", {"button": "right"})
    await person.press(item, "menuitem")


async def test_chats_are_pinned_muted_archived_found_and_their_drafts_kept(people: People) -> None:
    ada, _ = await people.two()
    await row(ada, "Hello", "Pin")
    await ada.shows(".chat-row:has-text('Pinned')")
    await row(ada, "Hello", "Mute")
    await ada.press("Always")
    await ada.shows(".chat-row:has-text('Muted')")
    await ada.on("textarea", "type", "not yet")
    await ada.open("#/")
    await ada.shows(".chat-row .draft")
    await row(ada, "not yet", "Archive")
    await ada.hides(".chat-row")
    await ada.on("a[href='#/archived']", "click")
    await row(ada, "not yet", "Unarchive")
    await ada.open("#/")
    await ada.on(".search input", "fill", "hell")
    await ada.on("a.row:has-text('Hello')", "click")
    await ada.shows(ada.bubble("Hello"))
    assert await ada.on("textarea", "inputValue") == "not yet"


async def test_messages_are_starred_selected_forwarded_and_deleted_here(people: People) -> None:
    ada, ben = await people.two()
    await ada.menu("Hello", "Star")
    await ada.shows(f"{ada.bubble('Hello')} .meta:has-text('Starred')")
    await ada.menu("Hello", "Forward")
    await ada.on("dialog label:has-text('Ben') input", "check")
    await ada.on("dialog .button:has-text('Send')", "click")
    await ben.shows(".forwarded")
    await ada.on(".message >> nth=1", "click", {"button": "right"})
    await ada.press("Select", "menuitem")
    await ada.shows("[role=status]:has-text('1 selected')")
    await ada.press("Delete")
    await ada.on("dialog .button:has-text('Delete for me')", "click")
    await ada.hides(".message >> nth=1")
    assert await ben.on(".message", "count") == 2
    await ada.open("#/starred")
    await ada.shows(".pane a.row:has-text('Hello')")


async def test_who_is_blocked_can_not_write_until_one_has_changed_ones_mind(people: People) -> None:
    ada, ben = await people.two()
    await ben.open(f"#/chat/{ada.address}/info")
    await ben.on("button.row:has-text('Block')", "click")
    await ben.on("dialog .button.danger", "click")
    await ben.shows("button.row:has-text('Unblock')")
    await ada.write("can you hear me?")
    await ada.marked("can you hear me?", "sent", "failed")
    await ben.open(f"#/chat/{ada.address}")
    await ben.shows(".blocked")
    await ben.press("Unblock")
    await ben.shows("textarea")
    await ada.write("and now?")
    await ben.reads("and now?")
    assert "can you hear me?" not in await ben.texts()
