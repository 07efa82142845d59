"""What people see when somebody's keys change: trust on first use, then only what was compared."""

from __future__ import annotations

from tests.api.test_devices import forget_codes
from tests.web.people import People
from tests.web.person import Someone

CHANGED = ".about:has-text('The encryption keys have changed')"
STRICT = ".about:has-text('Nothing is sent to the new device until you have compared')"
NEW_DEVICE = "[role=alert]:has-text('A new device can now read your messages')"


async def begin_anew(person: Someone) -> None:
    """Logs out, which deletes all that the browser had, and comes back with the same number."""
    await person.log_out()
    forget_codes(person.server)
    person.server.log.write_text("")  # the next code is another
    await person.show_number()
    await person.shows(".home, form .picture, .ways")
    if await person.on("form .picture", "count"):
        await person.show_name()
    elif await person.on(".ways", "count"):
        await person.press("Continue without them")
        await person.shows(".home")


async def test_who_begins_anew_is_read_and_reads_and_the_others_are_told(people: People) -> None:
    ada, ben = await people.two()
    await begin_anew(ben)
    await ben.open(f"#/chat/{ada.address}")  # his contacts are the server's: she is one still, or will be
    await ben.write("it is me again")
    await ada.reads("it is me again")
    await ada.shows(CHANGED)
    await ada.write("so I see")
    await ben.reads("so I see")
    await ada.marked("so I see", "read")


async def test_once_compared_nothing_goes_to_a_new_device_until_it_was_compared_as_well(
    people: People,
) -> None:
    ada, ben = await people.two()
    await ada.open(f"#/chat/{ben.address}/safety")
    await ada.verify("Ben")
    await ada.open(f"#/chat/{ben.address}")
    await begin_anew(ben)
    await ben.open(f"#/chat/{ada.address}")  # his contacts are the server's: she is one still, or will be
    await ben.write("trust me")
    await ada.reads("trust me")
    await ada.shows(STRICT)
    await ada.write("prove it")
    await ben.write("how?")
    await ada.reads("how?")
    assert "prove it" not in await ben.texts()
    await ada.on(f"{STRICT} a", "click")
    await ada.verify("Ben")
    await ada.open(f"#/chat/{ben.address}")
    await ada.write("now I know")
    await ben.reads("now I know")


async def test_a_device_that_was_not_compared_yet_gets_what_it_missed_once_it_is(people: People) -> None:
    ada, ben = await people.two()
    await ada.open(f"#/chat/{ben.address}/safety")
    await ada.verify("Ben")
    await ada.open(f"#/chat/{ben.address}")
    other = await people.linked(ben)
    # from now on it gets nothing from his other browser
    await other.shows("[role=status]:has-text('Your earlier messages are here')")
    # whose keys are new is said to him as well
    await ben.open("#/")
    await ben.shows(NEW_DEVICE)
    assert await other.on(NEW_DEVICE, "count") == 0
    await ben.on(f"{NEW_DEVICE} a", "click")
    await ben.shows("h2:has-text('Security keys')")
    await ben.hides(NEW_DEVICE)
    assert await ben.on("code", "count") == 2
    await ada.write("for the one that I know")
    await ben.open(f"#/chat/{ada.address}")
    await ben.reads("for the one that I know")
    await other.open_chat("Waiting for this message")
    await other.shows(".gone:has-text('can’t be read yet')")
    await ada.shows(STRICT)
    await ada.on(f"{STRICT} a", "click")
    await ada.verify("Ben")
    await other.reads("for the one that I know")
    assert await other.on(".gone", "count") == 0
