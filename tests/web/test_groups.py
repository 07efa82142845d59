"""Groups, by three people in browsers of their own: from making one to leaving it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.web.people import People
from tests.web.person import PHONE, Someone


async def make_group(owner: Someone, name: str, *members: Someone) -> None:
    """From the list of chats, of people who are in the contacts."""
    await owner.open("#/new/group")
    for member in members:
        await owner.on(f".all .row:has-text({json.dumps(spaced(member), ensure_ascii=False)})", "click")
    await owner.press(f"Next: {len(members)} {'person' if len(members) == 1 else 'people'}")
    await owner.fill("Name of the group", name)
    await owner.press("Create group")
    await owner.shows(f"h1:has-text({json.dumps(name)})")


def spaced(person: Someone) -> str:
    """The end of their number, as it is written everywhere."""
    return f"000\u00a0{person.number[-2:]}"


async def info(person: Someone) -> None:
    await person.on(".head .who", "click")
    await person.shows("h2")


async def test_three_people_in_a_group(people: People) -> None:
    ada, ben = await people.one("Ada"), await people.one("Ben")
    cyd = await people.one("Cyd", PHONE)
    for person in (ada, ben, cyd):
        await person.register()
    for person in (ben, cyd):
        await ada.start_chat(person.number)
        await ada.open("#/")

    # everybody reads everything, encrypted, with its author
    await make_group(ada, "Tea round", ben, cyd)
    await ada.write("Hello all")
    for person in (ben, cyd):
        await person.open_chat("Tea round")
        await person.reads("Hello all")
        await person.shows(".author:has-text('Ada')")
    await ben.write("Hi from Ben")
    await cyd.write("Hi from Cyd")
    for person in (ada, ben, cyd):
        await person.reads("Hi from Cyd")
        await person.reads("Hi from Ben")
    await ada.shows(".author:has-text('Ben')")
    assert await cyd.texts() == ["Hello all", "Hi from Ben", "Hi from Cyd"]
    stored = await ada.stored("messages")
    assert all(one["encrypted"] for one in stored)
    await ada.marked("Hello all", "read")

    # one is mentioned, and sees it; a poll is answered
    await ada.on("textarea", "pressSequentially", "Ask @Be")
    await ada.shows("[role=option]:has-text('Ben')")
    await ada.do("key", "Enter")
    await ada.do("key", "Enter")
    await ben.shows(".mention:has-text('@Ben')")
    await ada.on(".conversation .head [aria-label='Menu']", "click")
    await ada.press("Create poll", "menuitem")
    await ada.fill("Question", "Which tea?")
    await ada.fill("Answer 1", "Green")
    await ada.fill("Answer 2", "Black")
    await ada.on("dialog .button >> text=Send", "click")
    await ben.on(".poll [role=radio]:has-text('Green')", "click")
    await cyd.on(".poll [role=radio]:has-text('Black')", "click")
    await ada.shows(".poll .foot:has-text('2 people have voted')")
    await look(ada, "chat")
    await info(ada)
    await ada.shows(".members .role:has-text('Owner')")
    await look(ada, "info")
    # Escape closes the dialog alone, even when the button that had the focus is gone
    await ada.on(".side .row:has-text('Invite by link')", "click")
    await ada.press("Create a link")
    await ada.shows("dialog .url")
    await ada.do("key", "Escape")
    await ada.hides("dialog")
    await ada.on(".side .row:has-text('Invite by link')", "click")
    await ada.shows("dialog .url")
    await ada.do("key", "Escape")
    await info(cyd)
    await look(cyd, "info-phone")
    await look(cyd, "chat-phone")


async def look(person: Someone, name: str) -> None:
    """A picture, for whoever wants to see what people see: `SHOTS=folder`."""
    folder = os.environ.get("SHOTS")
    if folder:
        await person.picture(Path(folder) / f"{name}.png")
