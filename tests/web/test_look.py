"""What one sees and touches: panes, popups, focus, contrast, words."""

from __future__ import annotations

import contextlib
import json

from tests.web.device import until
from tests.web.people import People, cut
from tests.web.person import DESKTOP, PHONE, SEED, Someone

#: The text of the first message that can be seen.
TOP = """(() => {
  const edge = document.querySelector('.history').getBoundingClientRect().top;
  const rows = [...document.querySelectorAll('.message')];
  const row = rows.find((one) => one.getBoundingClientRect().bottom > edge);
  return row?.querySelector('.text')?.textContent ?? '';
})()"""
DRAWN = "document.querySelectorAll('.message').length"


async def look_elsewhere(person: Someone, other: Someone) -> None:
    """At what one knows of a contact, which covers the chat on a phone."""
    await person.evaluate(f"location.hash = '#/chat/{other.address}/info'")
    await person.shows(".side h2")


async def look_back(person: Someone, other: Someone) -> None:
    await person.evaluate(f"location.hash = '#/chat/{other.address}'")
    await person.shows(".history.placed .message")


async def test_a_conversation_that_is_not_shown_is_neither_loaded_nor_read_nor_scrolled(
    people: People,
) -> None:
    ada, ben = await people.two(DESKTOP, PHONE)
    await ben.open("#/")
    await ben.evaluate(f"({SEED})(400, {json.dumps(ada.address)})")
    await ben.do("page", "reload")
    await ben.open(f"#/chat/{ada.address}")
    await ben.shows(".history.placed .message:has-text('Message 399')")
    await ben.evaluate("document.querySelector('.history').scrollTop -= 1500")

    drawn: list[int] = []

    async def rests() -> bool:
        """Whatever scrolling has asked for is there."""
        drawn.append(await ben.evaluate(DRAWN))
        return len(drawn) > 10 and len(set(drawn[-10:])) == 1

    await until(rests)
    before, count = await ben.evaluate(TOP), drawn[-1]
    await look_elsewhere(ben, ada)
    await ada.write("while you look elsewhere")
    await ada.marked("while you look elsewhere", "delivered")
    drawn.clear()
    await until(rests)
    await look_back(ben, ada)
    assert await ben.evaluate(TOP) == before
    assert await ben.evaluate(DRAWN) == count + 1
    await ben.shows(".to-end .badge")
    assert await ada.on(f"{ada.bubble('while you look elsewhere')} [data-progress=read]", "count") == 0

    await ben.press("Scroll to the latest message")
    await ada.marked("while you look elsewhere", "read")
    # at the newest message one stays there, and what came is read when it is seen
    await look_elsewhere(ben, ada)
    await ada.write("not seen yet")
    await ada.marked("not seen yet", "delivered")
    await look_back(ben, ada)
    await ada.marked("not seen yet", "read")
    box = await ben.on(ben.bubble("not seen yet"), "boundingBox")
    assert 0 < box["y"] < 844
    # between a phone and a wide screen, too, the contact covers the chat
    await ada.do("page", "setViewportSize", {"width": 800, "height": 700})
    await look_elsewhere(ada, ben)
    await ben.write("you do not see this")
    await ben.marked("you do not see this", "delivered")
    await look_back(ada, ben)
    await ben.marked("you do not see this", "read")


async def test_what_opens_above_the_screen_goes_with_it(people: People) -> None:
    ada, ben = await people.two(DESKTOP, PHONE)
    for person, other in ((ada, ben), (ben, ada)):
        await person.do("page", "emulateMedia", {"reducedMotion": "reduce"})
        chat = f"#/chat/{other.address}"
        for opens, popup in (
            (f"{person.bubble('Hello')} .bubble", "[role=menu]"),
            ("header [aria-label=Menu]", "[role=menu]"),
            ("[aria-label=Emojis]", ".picker"),
        ):
            await person.evaluate(f"location.hash = {json.dumps(chat)}")
            await person.shows("textarea")
            click = {"button": "right"} if "bubble" in opens else {}
            await person.on(f".chat {opens} >> nth=0", "click", click)
            await person.shows(popup)
            await person.evaluate(f"location.hash = {json.dumps(chat + '/info')}")
            await person.shows(".side h2")
            await person.hides(popup)
            # and the next click is heard
            await person.on(".side button.row:has-text('Disappearing messages')", "click")
            await person.shows("dialog")
            await person.do("page", "goBack")
            await person.hides("dialog")
            await person.on("textarea", "click")


async def test_inside_a_chat_one_sees_that_there_is_no_connection(people: People) -> None:
    ada, ben = await people.two(PHONE, PHONE, cables=True)
    await ada.shows("textarea")
    async with cut(ada):
        await ada.shows(".notices .notice:has-text('Connecting')")
        await look_elsewhere(ada, ben)
        await ada.shows(".notices .notice:has-text('Connecting')")
    await ada.hides(".notices .notice")


async def test_a_text_that_is_too_long_is_never_cut_silently_and_goes_as_several_messages(
    people: People,
) -> None:
    ada, ben = await people.two(DESKTOP, PHONE)
    line = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "
    text = (line * 460).strip()  # 30,000 characters
    await ada.on("textarea", "fill", text)
    assert await ada.on("textarea", "inputValue") == text
    await ada.press("Send")
    await ada.on(".message >> nth=-1", "waitFor")
    await ben.shows(".message .more")
    longest = line * 2100  # 140 KB as UTF-8
    await ada.on("textarea", "fill", longest)
    await ada.shows("[role=alert]:has-text('Too long for one message')")
    await ada.do("key", "Enter")
    assert await ada.on("textarea", "inputValue") == longest
    await ada.press("Send as 3 messages")
    await ada.hides("[role=alert]:has-text('Too long for one message')")
    assert await ada.on("textarea", "inputValue") == ""

    async def came() -> bool:
        messages = await ben.stored("messages")
        found = sorted((one["at"], one["order"], one["text"]) for one in messages if line in one["text"])
        return "".join(one[2] for one in found).replace(" ", "") == (text + longest).replace(" ", "")

    await until(came)


#: Chromium without a mouse hides what hovering shows.
HOVERS = """for (const sheet of document.styleSheets) for (const { media } of sheet.cssRules) {
  if (media?.mediaText === '(hover: hover)') media.mediaText = 'all';
  if (media?.mediaText === '(hover: none)') media.mediaText = 'not all';
}"""
ANSWERS = ".composer .about:has-text('{}')"


async def test_a_message_is_answered_by_what_stands_beside_it_a_swipe_or_two_clicks(people: People) -> None:
    ada, ben = await people.two(DESKTOP, PHONE)
    await ada.evaluate(HOVERS)
    await ada.on(f"{ada.bubble('Hello')} .bubble", "hover")
    bubble = await ada.on(f"{ada.bubble('Hello')} .bubble", "boundingBox")
    tools = await ada.on(f"{ada.bubble('Hello')} .tools", "boundingBox")
    assert 6 <= bubble["x"] - (tools["x"] + tools["width"]) <= 10
    await ada.on(f"{ada.bubble('Hello')} .tools [aria-label=Reply]", "click")
    await ada.shows(ANSWERS.format("Hello"))
    await ada.shows(".message.target:has-text('Hello')")
    await ada.do("key", "Escape")
    await ada.hides(".composer .about")
    await ada.on(f"{ada.bubble('Hello')} .bubble", "dblclick")
    await ada.shows(ANSWERS.format("Hello"))

    await ben.do("swipe", f"{ben.bubble('Hello')} .bubble", 40)
    await ben.do("swipe", f"{ben.bubble('Hello')} .bubble", 100)
    await ben.shows(ANSWERS.format("Hello"))
    await ben.press("Cancel")
    # the menu of a long press is a sheet, and letting go is no tap on it
    await ben.do("hold", f"{ben.bubble('Hello')} .bubble", 700)
    await ben.shows("[role=menu].sheet")
    await ben.shows(".message.lifted:has-text('Hello')")
    assert await ben.on("[role=menu]", "count") == 1
    await ben.press("Copy", "menuitem")
    await ben.hides("[role=menu]")


async def test_the_keyboard_comes_to_messages_and_from_there_to_what_is_in_them(people: People) -> None:
    ada, _ = await people.two(DESKTOP, PHONE)
    await ada.menu("Hello", "Reply")
    await ada.on("textarea", "fill", "see https://example.org/")
    await ada.press("Send")
    await ada.shows(".message .reply")
    await ada.on("textarea", "focus")
    for key in ("Shift+Tab", "Shift+Tab", "Shift+Tab"):  # over emojis and files
        await ada.do("key", key)
    await ada.shows(".message:has(.reply):focus")
    await ada.do("key", "ArrowRight")
    await ada.shows(".message .reply:focus")
    await ada.do("key", "ArrowRight")
    await ada.shows(".message a:focus")
    await ada.do("key", "Escape")
    await ada.shows(".message:has(.reply):focus")
    await ada.do("key", "ArrowRight")
    await ada.do("key", "Enter")
    await ada.shows(".message.flashed:has-text('Hello')")


async def test_at_the_start_one_can_type_at_once(people: People) -> None:
    ada = await people.one("Ada", PHONE)
    await ada.open()
    await ada.shows("input[name=number]:focus")
    await ada.shows(".flag:not(:empty)")
    await ada.on(".country", "click")
    await ada.shows("dialog input:focus")
    chosen = await ada.on("dialog [aria-current=true]", "boundingBox")
    assert 100 < chosen["y"] < 844
    await ada.do("key", "Escape")
    await ada.hides("dialog")
    await ada.show_number()
    await ada.shows("#profile-name:focus")


async def test_a_wrong_link_leads_to_a_page_that_says_so(people: People) -> None:
    ada = await people.one("Ada")
    await ada.register()
    for place in ("#/nonsense", "#/settings/nonsense", "#/chat"):
        await ada.open(place)
        await ada.shows("h1:text-is('There’s nothing here')")
    await ada.on("a:text-is('Go to your chats')", "click")
    await ada.shows("h2:text-is('No chats yet')")
    await ada.open("no/such/page")
    await ada.shows("h1:text-is('There’s nothing here')")
    await ada.on("a:text-is('Go to your chats')", "click")
    await ada.shows(".home")


#: What a finger misses, and what leaves its place: of each control and text that can be seen, its words.
FAULTS = """(() => {
  const faults = [];
  const front = document.querySelector('dialog[open]') ?? document.body;
  const words = (one) => (one.getAttribute('aria-label') ?? one.textContent).trim().slice(0, 40);
  const boxes = (one) => {
    const found = [];
    for (let up = one.parentElement; up; up = up.parentElement)
      if (up.matches('.scroll, dialog')) found.push(up.getBoundingClientRect());
    return found;
  };
  const inside = (x, y, one) =>
    boxes(one).every((box) => x > box.left && x < box.right && y > box.top && y < box.bottom) &&
    x > 0 && y > 0 && x < innerWidth && y < innerHeight;
  const controls = 'button, a[href], select, input, textarea';
  for (const one of front.querySelectorAll(controls)) {
    if (one.closest('.text, .reactions, .unseen')) continue;
    const { left, top, width, height } = one.getBoundingClientRect();
    const [x, y] = [left + width / 2, top + height / 2];
    if (!width || !height || !inside(x, y, one)) continue;
    const pressed = one.closest('label') ?? one;
    for (const [dx, dy] of [[-21, 0], [21, 0], [0, -21], [0, 21]]) {
      if (!inside(x + dx, y + dy, one)) continue;
      const hit = document.elementFromPoint(x + dx, y + dy);
      if (!pressed.contains(hit)) {
        faults.push(`a finger misses ${words(one)} and hits ${hit?.outerHTML.slice(0, 60)}`);
        break;
      }
    }
  }
  const texts = document.createTreeWalker(front, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (texts.currentNode.data.trim() === '' || one.closest('.unseen, .clip, [hidden], option')) continue;
    const range = new Range();
    range.selectNodeContents(texts.currentNode);
    const { left, right, width } = range.getBoundingClientRect();
    const box = (one.closest('.bubble, button, .row, dialog') ?? document.body).getBoundingClientRect();
    const outside = left < box.left - 1 || right > box.right + 1;
    if (width && outside) faults.push(`out of its place: ${words(one)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page is too wide');
  return [...new Set(faults)];
})()"""
PLACES = {
    "/": ".chat-row",
    "/new": ".field",
    "/new/group": ".all .row",
    "/new/broadcast": ".all .row",
    "/group/nobody/0123456789abcdef": ".join",
    "/starred": "h1",
    "/settings": "nav .row",
    "/to/%2B4915120000009%40localhost": ".who",
    **{
        f"/settings/{page}": ".scroll > *"
        for page in (
            *("profile", "share", "privacy", "devices", "link", "apps", "pin", "notifications", "lock"),
            *("chats", "look", "number", "storage", "backup", "about", "delete"),
        )
    },
}


async def expect_fits(person: Someone, what: object) -> None:
    """Waits until there are no faults: what the app has just told may cover something for a moment."""
    found: list[str] = []

    async def sound() -> bool:
        found[:] = await person.evaluate(FAULTS)
        return not found

    with contextlib.suppress(TimeoutError):
        await until(sound, 8)
    assert found == [], what


#: As if a device of the account had asked for the messages.
ASKED = """new Promise(async (done) => {
  const { name } = (await indexedDB.databases()).find(({ name }) => name.startsWith('kith '));
  indexedDB.open(name).onsuccess = ({ target: { result } }) => {
    const work = result.transaction('facts', 'readwrite');
    const value = { device: 7, jid: '', name: 'Firefox', fingerprint: '', number: '4'.repeat(60) };
    const asked = { name: 'history.request 7', value: { ...value, at: 0, decision: 'asking' } };
    work.objectStore('facts').put(asked);
    work.oncomplete = () => { result.close(); done(); };
  };
})"""


async def test_on_the_smallest_screen_nothing_leaves_its_place_and_a_finger_hits_all(people: People) -> None:
    ada, ben = await people.two(PHONE, DESKTOP)
    await ada.on("textarea", "fill", "See https://example.org/" + "a-rather-long-path/" * 8)
    await ada.press("Send")
    await ada.shows(".message a")
    await ben.write("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft")
    await ada.reads("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft")
    chat = f"/chat/{ben.address}"
    for language, width in (("en", 320), ("de", 320), ("de", 390)):
        await ada.do("page", "setViewportSize", {"width": width, "height": 640})
        await ada.evaluate(f"localStorage.setItem('kith.language', '{language}')")
        await ada.do("page", "reload")
        for place, there in {**PLACES, chat: ".history.placed", f"{chat}/info": ".side h2"}.items():
            await ada.open(f"#{place}")
            await ada.shows(there)
            await expect_fits(ada, (place, language, width))
    await ada.evaluate(ASKED)
    await ada.do("page", "reload")
    await ada.shows("dialog [role=img]")
    await expect_fits(ada, "a request for the history")


async def test_what_was_looked_for_in_a_chat_is_marked_in_its_messages(people: People) -> None:
    ada, _ = await people.two(DESKTOP, PHONE)
    await ada.write("Nothing of it")
    await ada.hides("[aria-label=Send]")
    await ada.on("textarea", "fill", "Look: hello, and *HELLO* again")
    await ada.press("Send")
    await ada.shows(".message strong:text-is('HELLO')")
    await ada.press("Search in this chat")
    await ada.on("input[aria-label='Search in this chat']", "fill", "hello")
    found = "[...(CSS.highlights.get('sought') ?? [])].map(String).sort().join()"

    async def marked() -> bool:
        return bool(await ada.evaluate(found) == "HELLO,Hello,hello")

    await until(marked)
    await ada.do("key", "Escape")
    await ada.hides(".count")
    assert await ada.evaluate(found) == ""
