"""People who are not contacts, or have no keys: what is shown of them, and asked before writing to them."""

from __future__ import annotations

import asyncio

from tests.web.people import People
from tests.web.person import PHONE, approach


async def test_a_first_message_shows_the_chosen_name_the_number_and_what_accepting_shares(
    people: People,
) -> None:
    ada, ben = await people.one("Ada"), await people.one("Ben", PHONE)
    await approach(ada, ben, "It is me")
    digits = ada.number[3:]
    for part in (".conversation header", ".request"):
        await ben.shows(f"{part}:has-text('~Ada')")
        shown = "".join(await ben.on(part, "innerText"))
        assert digits in "".join(filter(str.isdigit, shown)), part
    await ben.shows(".request:has-text('they will see your name, your picture')")
    # before that there is nothing to answer with, and she is not told that it has come
    assert await ben.on(".conversation textarea", "count") == 0
    await ada.on("textarea", "fill", "See https://аpple.com/login")
    await ada.press("Send")
    await ben.shows(".host:has-text('xn--pple-43d.com')")
    assert await ada.on("[data-progress=delivered], [data-progress=read]", "count") == 0
    await ben.press("Accept")
    await ben.hides(".request")
    await ben.write("Hello Ada")
    await ada.reads("Hello Ada")


async def test_who_has_no_keys_is_written_to_unencrypted_after_one_question(people: People) -> None:
    ada = await people.one("Ada")
    await ada.register()
    gus = people.server.add_user("gus")
    await ada.open(f"#/chat/{gus}")
    await ada.shows(".history:has-text('has no encryption keys')")
    await ada.on("textarea", "fill", "Hello Gus")
    await ada.press("Send")
    await ada.shows(".prompt:has-text('was not sent')")
    await ada.shows("[data-progress=failed]")
    await ada.press("Send unencrypted")
    await ada.shows(".bubble:has-text('not encrypted') [data-progress=sent]")
    await ada.hides(".prompt")
    # the chat says so from then on, and does not ask again
    await ada.shows(".banner:has-text('Not encrypted')")
    assert await ada.on("textarea", "getAttribute", "placeholder") == "Unencrypted message"
    await ada.on("textarea", "fill", "and a second one")
    await ada.press("Send")
    await ada.shows(".bubble:has-text('a second one'):has-text('not encrypted') [data-progress=sent]")
    assert await ada.on(".prompt", "count") == 0
    await ada.press("Stop")
    await ada.hides(".banner")
    # an edit that can't be encrypted now says so, and can be taken back or sent
    await ada.menu("and a second one", "Edit")
    await ada.on("textarea", "fill", "and another one")
    await ada.do("key", "Enter")
    await ada.shows(".failed:has-text('Your edit was not sent.')")
    await ada.shows(".prompt:has-text('was not sent')")
    await ada.press("Undo")
    await ada.hides(".failed")
    await ada.reads("and a second one")
    await ada.on(f"{ada.bubble('Hello Gus')} .bubble", "click", {"button": "right"})
    await ada.press("React with 👍", "menuitem")
    await ada.shows(".failed:has-text('Your reaction was not sent.')")
    await ada.press("Send unencrypted")
    await ada.hides(".failed")
    await ada.shows(".reactions button:has-text('👍')")


async def test_a_contact_request_without_a_message_is_seen_with_its_name_and_can_be_declined(
    people: People,
) -> None:
    ada, ben = await people.one("Ada"), await people.one("Ben", PHONE)
    await ada.register()
    await ben.register()
    await ben.start_chat(ada.number)
    await ada.on("a.row:has-text('Contact requests')", "click")
    await ada.on(".row:has-text('~Ben')", "click")
    await ada.shows(".request:has-text('~Ben'):has-text('would like to add you')")
    digits = "".join(filter(str.isdigit, "".join(await ada.on(".request", "innerText"))))
    assert ben.number[3:] in digits
    await ada.press("Decline")
    await ada.hides(".request")
    await ada.open("#/")
    await ada.shows("text=No chats yet")
    assert await ada.on("a.row:has-text('Contact requests')", "count") == 0


async def test_a_stranger_who_is_reported_is_blocked_and_the_operator_hears_of_it(people: People) -> None:
    ada, ben = await people.one("Ada"), await people.one("Ben", PHONE)
    await approach(ada, ben, "Buy my coins")
    await ben.shows(".request")
    await ben.press("Report")
    await ben.on("dialog .button.danger", "click")
    await ben.shows("[role=status]:has-text('Your report was sent')")
    await ben.shows(".blocked")
    reports = (await asyncio.to_thread(people.server.kith, "reports")).stdout
    words = "".join(reports.split())
    assert "spam" in words
    assert ada.number in words
    assert ben.number in words
    await ada.write("Really cheap")
    await ada.marked("Really cheap", "sent", "failed")
    assert await ben.texts() == ["Buy my coins"]
