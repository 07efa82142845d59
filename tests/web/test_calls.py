"""Calls between two people in Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.converse import chromium as run_chromium
from tests.web.calls import (
    ARGUMENTS,
    DEVICES,
    answer,
    call,
    connected,
    entry,
    hang_up,
    hears,
    over,
    prepare,
    sees,
)
from tests.web.people import People
from tests.web.person import DESKTOP, PHONE

CALLING = ({**DESKTOP, **DEVICES}, {**PHONE, **DEVICES})


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With a camera and a microphone."""
    with run_chromium(tmp_path_factory.mktemp("chromium"), *ARGUMENTS) as where:
        yield where


async def test_two_people_hear_and_see_each_other(people: People) -> None:
    ada, ben = await people.two(*CALLING)
    await prepare(ada, ben)

    # a voice call, in which both turn on their cameras later
    await call(ada)
    await ben.shows(".incoming:has-text('Incoming voice call')")
    await ada.shows(".call:has-text('Ringing')")
    await answer(ben)
    await connected(ada, ben)
    await hears(ada)
    await hears(ben)
    for person in (ada, ben):
        await person.shows(".trust[data-trust=trusted]")
    await ada.press("Camera")
    await sees(ben)
    await ben.press("Camera")
    await sees(ada)
    await hang_up(ben)
    await over(ada, ben)
    for person in (ada, ben):
        await entry(person, "Voice call, 0:")
