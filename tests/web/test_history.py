"""The history on a new device: by linking, by comparing, and by a backup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.api.test_devices import forget_codes
from tests.web.device import until
from tests.web.people import People, cut
from tests.web.person import DESKTOP, PHONE, SEED, Someone


async def count(person: Someone) -> int:
    """Messages of the seeded chat that the browser has."""
    return sum("15550100" in message["chat"] for message in await person.stored("messages"))


async def has(person: Someone, messages: int) -> None:
    async def all_there() -> bool:
        return await count(person) == messages

    await until(all_there, 60)


async def seeded(people: People, messages: int, options: dict[str, Any] = DESKTOP) -> Someone:
    """Somebody with a history, behind a cable."""
    ada = await people.one("Ada", options, await people.cable())
    await ada.register()
    await ada.evaluate(f"({SEED})({messages})")
    await ada.do("page", "reload")
    await ada.shows(".chat-row")
    return ada


async def by_code(people: People, elder: Someone, options: dict[str, Any] = DESKTOP) -> Someone:
    """Another browser of somebody, who logs in with a code that comes to the number."""
    other = await people.one(elder.name, options, await people.cable())
    other.number = elder.number
    await other.open()
    forget_codes(people.server)
    await other.show_number()
    await other.shows("h1:text-is('Your earlier messages')")
    return other


async def test_the_history_comes_with_linking_also_if_the_old_device_is_away_and_the_page_loaded_anew(
    people: People,
) -> None:
    ada = await seeded(people, 3000)
    other = await people.linked(ada, PHONE, await people.cable())
    await other.shows("progress")

    async def under_way() -> bool:
        return 0 < await count(other) < 3000

    await until(under_way)
    async with cut(ada):
        await other.do("page", "reload")
        await other.shows(".chat-row:has-text('Message 2999')")
        assert await count(other) < 3000
    await has(other, 3000)
    await other.shows("[role=status]:has-text('Your earlier messages are here')")
    await ada.shows("[role=status]:has-text('has your messages now')")
    await other.press("Close")
    await other.open_chat("Message 2999")
    await other.reads("Message 2997 " + "with some words " * (2997 % 7))
    await other.close_chat()
    await other.on(".search input", "fill", "Message 1717")
    await other.shows(".row .sub:has-text('Message 1717')")


async def test_who_logs_in_by_a_code_gets_the_history_after_comparing_and_nothing_before(
    people: People,
) -> None:
    ada = await seeded(people, 50)
    other = await by_code(people, ada, PHONE)
    await other.press("From another device A phone or browser where you’re logged in")
    await ada.shows("dialog .digits")
    await other.shows(".digits")
    numbers = [re.sub(r"\D", "", await one.on(".digits", "innerText")) for one in (ada, other)]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == 60
    await ada.press("The numbers match: send my messages")
    assert await count(other) == 0
    await other.press("The numbers match")
    await has(other, 50)
    await other.shows(".chat-row:has-text('Message 49')")


async def test_who_took_over_a_number_gets_nothing_of_the_past(people: People) -> None:
    ada = await seeded(people, 50)
    thief = await by_code(people, ada)
    await thief.press("From another device A phone or browser where you’re logged in")
    await thief.press("The numbers match")
    await ada.shows("dialog:has-text('someone may have taken over your number')")
    await ada.press("Refuse")
    await thief.shows("[role=alert]:has-text('The request was refused')")
    await thief.press("Another way")
    await thief.press("Continue without them")
    await thief.shows(".notice:has-text('are not on this device')")
    assert await count(thief) == 0


async def test_a_backup_that_was_saved_before_logging_out_comes_back_at_the_next_login(
    people: People, tmp_path: Path
) -> None:
    ada = await seeded(people, 400)
    await ada.open("#/settings")
    await ada.press("Log out")
    await ada.on("dialog .offer", "click")
    await ada.on(".row:has-text('Twelve words')", "click")
    await ada.shows(".words li")
    words = (await ada.on(".words", "innerText")).split()
    assert len(words) == 12
    await ada.on("label.check", "click")
    file = tmp_path / "kith.age"
    await ada.do("save", "Save file", str(file))
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n-> scrypt ")
    await ada.shows("[role=status]:has-text('Saved as kith-')")
    await ada.log_out()
    forget_codes(people.server)
    await ada.show_number()
    await ada.shows("h1:text-is('Your earlier messages')")
    await ada.press("From a backup A file that you saved, and its key")
    await ada.on("input[type=file]", "setInputFiles", str(file))
    await ada.on("textarea", "fill", " ".join(["zoo", *words[1:]]))
    await ada.press("Restore messages")
    await ada.shows("[role=alert]:has-text('Wrong key'), [role=alert]:has-text('t the twelve words')")
    await ada.on("textarea", "fill", " ".join(words))
    await ada.press("Restore messages")
    await ada.shows("[role=status]:has-text('400 messages restored')")
    await ada.press("Continue")
    await ada.shows(".chat-row:has-text('Message 399')")
