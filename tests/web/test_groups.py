"""Groups, by three people in browsers of their own: from making one to leaving it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.web.people import People
from tests.web.person import Someone

PICTURE = str(Path(__file__).parents[2] / "web/public/icon-192.png")


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
    ada, ben, cyd = await people.three()

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


async def choose(person: Someone, row: str, value: str) -> None:
    """A setting of the dialog that is open: from the row, and back to it."""
    await person.on(f"dialog .row:has-text('{row}')", "click")
    await person.on(f"dialog label:has-text('{value}')", "click")
    await person.shows(f"dialog .row:has-text('{row}'):has-text('{value}')")


async def member(person: Someone, name: str, action: str) -> None:
    """What one does with a member of the group whose info is open."""
    await person.on(f".members .row:has-text('{name}')", "click")
    await person.press(action, "menuitem")


async def told(person: Someone, who: str, what: str) -> None:
    """A notice in the chat that is open, in which names are apart from the rest."""
    await person.shows(f".conversation li.about:has-text({json.dumps(who)}):has-text({json.dumps(what)})")


async def test_what_admins_do_is_seen_by_all(people: People) -> None:
    ada, ben, cyd = await people.three()

    # a picture from the start, which the others see
    await ada.open("#/new/group")
    await ada.on(f".all .row:has-text({json.dumps(spaced(ben), ensure_ascii=False)})", "click")
    await ada.press("Next: 1 person")
    await ada.fill("Name of the group", "Tea round")
    await ada.fill("Description (optional)", "Every day at four")
    await ada.on("form input[type=file]", "setInputFiles", PICTURE)
    await ada.shows("form .picture img")
    await look(ada, "naming")
    await ada.press("Create group")
    await ada.shows(".conversation h1:has-text('Tea round')")
    await ben.shows(".chat-row:has-text('Tea round') img")
    await ben.open_chat("Tea round")
    await ben.shows(".conversation .head img")
    await told(ben, "~Ada", "added")

    # name, description and picture
    await info(ada)
    await info(ben)
    await ben.shows(".about:has-text('Every day at four')")
    await ada.on(".side .row:has-text('Name and description')", "click")
    await ada.fill("Name of the group", "Chai round")
    await ada.fill("Description (optional)", "Every day at five")
    await ada.press("Save")
    await ben.shows(".side h2:has-text('Chai round')")
    await ben.shows(".about:has-text('Every day at five')")
    await told(ben, "Chai round", "named the group")
    await ada.press("Group picture")
    await ada.press("Remove picture", "menuitem")
    await told(ben, "~Ada", "changed the group picture")
    await ben.hides(".side .who img")

    # who may write, change and add
    await ada.on(".side .row:has-text('Group settings')", "click")
    await choose(ada, "Write messages", "Only admins")
    await ben.shows(".foot:has-text('Only admins can write in this group')")
    await ben.hides("textarea")
    await choose(ada, "Change name", "Only admins")
    await ben.hides(".side .row:has-text('Name and description')")
    await ben.hides("[aria-label='Group picture']")
    await choose(ada, "Add people", "Only admins")
    await ben.hides(".side .row:has-text('Add people')")
    await ben.hides(".side .row:has-text('Invite by link')")
    await look(ada, "settings")
    await told(ben, "~Ada", "lets only admins add people")

    # an admin may do all of that
    await ada.do("key", "Escape")
    await ada.hides("dialog")
    await member(ada, "Ben", "Make admin")
    await ben.shows(".members .row:has-text('You') .role:has-text('Admin')")
    await ben.shows("textarea")
    await told(ben, "~Ada", "an admin.")
    await ben.shows(".side .row:has-text('Group settings')")
    await member(ada, "Ben", "Remove as admin")
    await ben.hides(".side .row:has-text('Group settings')")
    await member(ada, "Ben", "Make owner")
    await look(ada, "crown")
    await ada.on("dialog .button:has-text('Make owner')", "click")
    await ben.shows(".members .row:has-text('You') .role:has-text('Owner')")
    await told(ben, "~Ada", "an owner.")

    # a link, with approval, which is revoked
    await ben.on(".side .row:has-text('Group settings')", "click")
    await ben.on("dialog [role=switch]:has-text('Approve new members')", "click")
    await ben.shows("dialog [role=switch][aria-checked=true]:has-text('Approve new members')")
    await ben.do("key", "Escape")
    await ben.on(".side .row:has-text('Invite by link')", "click")
    await ben.press("Create a link")
    await ben.shows("dialog svg[role=img]")
    link = (await ben.on("dialog .url", "innerText")).strip()
    await look(ben, "link")
    # Escape closes the dialog alone, even when the button that had the focus is gone
    await ben.do("key", "Escape")
    await ben.hides("dialog")
    where = link.rpartition("/group/")[2]
    await cyd.open(f"#/group/{where}")
    await cyd.press("Join")
    await cyd.shows("[role=status]:has-text('The admins were asked')")
    await look(cyd, "asked")
    await ada.shows(".asking .row:has-text('Cyd')")
    await look(ada, "asking")
    await ada.on(".asking button:has-text('Let in')", "click")
    await cyd.shows(".conversation h1:has-text('Chai round')")
    await ben.shows(".members .row:has-text('Cyd')")
    await ben.on(".side .row:has-text('Invite by link')", "click")
    await ben.press("Revoke link")
    await ben.on("dialog .button.danger >> text=Revoke link >> nth=-1", "click")
    await ben.shows("dialog:has-text('There is no link')")
    await ben.do("key", "Escape")
    await ben.hides("dialog")

    # who is removed keeps what there was, and does not come back by an old link
    await ada.write("Tea is ready")
    await cyd.reads("Tea is ready")
    await ada.menu("Tea is ready", "Info")
    await ada.shows("dialog li:has-text('Cyd')")
    await look(ada, "receipts")
    await ada.do("key", "Escape")
    await member(ada, "Cyd", "Remove from group")
    await ada.on("dialog .button.danger", "click")
    await cyd.shows(".foot:has-text('not in this group any more')")
    await cyd.reads("Tea is ready")
    await cyd.open(f"#/group/{where}")
    await cyd.press("Join")
    await cyd.shows("[role=alert]:has-text('not valid any more')")

    # added again, with what was said meanwhile, and what people have in common
    await ada.on(".side .row:has-text('Group settings')", "click")
    await ada.on("dialog [role=switch]:has-text('Show newcomers the last messages')", "click")
    await ada.shows("dialog [role=switch][aria-checked=true]:has-text('Show newcomers')")
    await ada.do("key", "Escape")
    await ada.hides("dialog")
    await ada.write("While you were away")
    await ada.on(".side .row:has-text('Add people')", "click")
    await ada.on(f"dialog .row:has-text({json.dumps(spaced(cyd), ensure_ascii=False)})", "click")
    await ada.press("Add")
    await ada.hides("dialog")
    await ada.shows(".members .row:has-text('Cyd')")
    await cyd.open("#/")
    await cyd.open_chat("Chai round")
    await cyd.shows(".foot:has-text('Only admins can write')")
    await cyd.reads("While you were away")
    await member(ada, "Cyd", "Contact info")
    await ada.shows(".side h3:has-text('1 group in common')")
    await look(ada, "common")
    await ada.on(".side .row:has-text('Chai round')", "click")
    await info(ada)

    # messages that disappear
    await ada.on(".side .row:has-text('Disappearing messages')", "click")
    await ada.on("dialog label:has-text('1 day')", "click")
    await told(cyd, "~Ada", "turned on disappearing messages: new ones disappear after")
    await info(cyd)
    await cyd.shows(".side .row:has-text('Disappearing messages'):has-text('1 day')")

    # leaving, reporting, and the end
    await cyd.on(".side .row:has-text('Leave group')", "click")
    await cyd.on("dialog .button.danger", "click")
    await ada.hides(".members .row:has-text('Cyd')")
    await told(ada, "Cyd", "left")
    await ben.on(".side .row:has-text('Report')", "click")
    await look(ben, "report")
    await ben.on("dialog label:has-text('Also leave the group')", "click")
    await ben.on("dialog .button.danger", "click")
    await ben.shows("[role=status]:has-text('Thank you')")
    await ada.on(".side .row:has-text('End group')", "click")
    await ada.on("dialog .button.danger", "click")
    await ben.shows(".foot:has-text('not in this group any more')")
    await told(ben, "~Ada", "ended the group")
    await look(ben, "ended")


async def test_one_message_goes_to_many_each_in_their_own_chat(people: People) -> None:
    ada, ben, cyd = await people.three()
    await ada.on("[aria-label='New chat']", "click")
    await ada.press("Message to many")
    for person in (ben, cyd):
        await ada.on(f".all .row:has-text({json.dumps(spaced(person), ensure_ascii=False)})", "click")
    await ada.press("Next: 2 people")
    await ada.fill("Message", "Tea at four")
    await ada.fill("Keep these people as a list named (optional)", "Tea people")
    await look(ada, "broadcast")
    await ada.press("Send to 2 people")
    for person in (ben, cyd):
        await person.open_chat("Tea at four")
        await person.reads("Tea at four")
        assert await person.on(".conversation h1", "innerText") == "~Ada"
    await ada.open("#/new/broadcast")
    await ada.on(".row:has-text('Tea people')", "click")
    await ada.fill("Message", "And cake")
    await ada.press("Send to 2 people")
    for person in (ben, cyd):
        await person.reads("And cake")
    await ada.open("#/new/broadcast")
    await look(ada, "broadcast-lists")
    await ada.press("Delete the list Tea people")
    await ada.hides(".row:has-text('Tea people')")
