"""Statuses, by two people in browsers of their own."""

from __future__ import annotations

from tests.web.people import People
from tests.web.person import Someone


async def statuses(person: Someone) -> None:
    await person.open("#/status")
    await person.shows(".status-row")


async def post(person: Someone, text: str) -> None:
    await person.press("New status")
    await person.fill("Type a status", text)
    await person.press("Post status")
    await person.hides("dialog")


async def test_a_status_is_seen_answered_and_deleted(people: People) -> None:
    ada, ben = await people.two()
    await statuses(ada)
    await statuses(ben)

    # posted to the contacts, and seen by one of them; the author learns of it
    await post(ada, "On the lake")
    await ben.shows(".status-row:has-text('Ada')")
    await ben.on(".status-row:has-text('Ada')", "click")
    await ben.shows(".viewer .said:has-text('On the lake')")
    await ada.on(".status-row:has-text('My status')", "click")
    await ada.shows(".viewer .seers:has-text('Seen by 1 person')")

    # an answer is an encrypted message that quotes it
    await ben.fill("Reply to Ada", "Lovely")
    await ben.press("Send")
    await ben.shows(".viewer [role=status]:has-text('Sent to Ada')")
    [answer] = [one for one in await ben.stored("messages") if one["text"] == "Lovely"]
    assert answer["encrypted"]
    assert answer["reply"]["text"] == "On the lake"

    # deleted for everyone, it is gone from the other's screen and storage
    await ada.press("Options")
    await ada.press("Delete for everyone", "menuitem")
    await ada.hides(".viewer")
    await ben.hides(".viewer")
    await ben.hides(".status-row:has-text('Ada')")
    assert await ben.stored("statuses") == []
    await ada.close_chat()
    await ada.open_chat("Lovely")
    await ada.reads("Lovely")

    # whoever is left out of the audience gets nothing
    await statuses(ada)
    await ada.press("New status")
    await ada.on(".composer select", "selectOption", "except")
    await ada.on(".composer .people label:has-text('Ben')", "click")
    await ada.fill("Type a status", "Without Ben")
    await ada.press("Post status")
    await ada.hides("dialog")
    await ada.on(".status-row:has-text('My status')", "click")
    await ada.shows(".viewer .seers")
    await ada.press("Close")
    await ada.press("New status")
    await ada.on(".composer select", "selectOption", "contacts")
    await ada.fill("Type a status", "With Ben")
    await ada.press("Post status")
    await ben.shows(".status-row:has-text('Ada')")
    assert [one["text"] for one in await ben.stored("statuses")] == ["With Ben"]
