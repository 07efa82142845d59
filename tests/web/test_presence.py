"""Nobody is shown as online who is not."""

from __future__ import annotations

import asyncio

from tests.web.people import People


async def test_who_closes_the_last_window_is_not_online_any_more(people: People) -> None:
    ada, ben = await people.two()
    await ada.shows(".status:text-is('online')")
    await ben.do("page", "close")
    async with asyncio.timeout(60):  # the session would wait for 300 seconds
        await ada.hides(".status:text-is('online')")
    await ada.shows(".status:has-text('last seen')")
