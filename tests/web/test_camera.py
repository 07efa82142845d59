"""Codes are read by the camera: a made-up one, which films what is on somebody else's screen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.interop.converse import chromium as run_chromium
from tests.web.people import Interruption, People
from tests.web.person import DESKTOP, PHONE, Someone, meet

WIDTH, HEIGHT = 640, 480
CAMERA = {**PHONE, "permissions": ["camera"]}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera shows, again and again."""
    return tmp_path_factory.mktemp("camera") / "film.y4m"


@pytest.fixture(scope="module")
def chromium(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With a camera."""
    options = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}")
    with run_chromium(tmp_path_factory.mktemp("chromium"), *options) as where:
        yield where


async def point(film: Path, person: Someone, selector: str) -> None:
    """Holds the camera on something on somebody's screen."""
    still = film.with_suffix(".png")
    await person.on(selector, "screenshot", {"path": str(still)})
    await asyncio.to_thread(shoot, still, film)


async def point_at_link_code(film: Path, newcomer: Someone) -> None:
    """Holds it on the code of a browser that wants to be let in."""
    code = "svg[role=img][aria-label='QR code to link this browser']"
    await newcomer.open()
    await newcomer.press("Log in with a QR code")
    await newcomer.shows(code)
    await point(film, newcomer, code)


def shoot(still: Path, film: Path) -> None:
    """A second of a picture, uncompressed."""
    seen = Image.open(still).convert("L")
    seen.thumbnail((HEIGHT - 60, HEIGHT - 60))
    picture = Image.new("L", (WIDTH, HEIGHT), 255)
    picture.paste(seen, ((WIDTH - seen.width) // 2, (HEIGHT - seen.height) // 2))
    grey = bytes([128]) * (WIDTH * HEIGHT // 2)  # both planes of colour, a quarter of the size each
    head = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n"
    film.write_bytes(head.encode() + (b"FRAME\n" + picture.tobytes() + grey) * 10)


async def test_two_who_hold_their_phones_together_know_that_nobody_reads_along(
    people: People, film: Path, interrupted: Interruption
) -> None:
    """Without a connection, too: both have all that it takes."""
    ada, ben = await people.one("Ada", CAMERA, await people.cable()), await people.one("Ben")
    await meet(ada, ben)
    await ben.open(f"#/chat/{ada.address}/safety")
    await ben.shows(".card svg[role=img]")
    await point(film, ben, ".card svg[role=img]")
    await ada.open(f"#/chat/{ben.address}/safety")
    await ada.shows(".card svg[role=img]")
    async with interrupted(ada):
        await ada.press("Scan code")
        await ada.shows("[role=status]:has-text('You have verified Ben')")
    await ada.open(f"#/chat/{ben.address}")
    await ada.write("compared")
    await ada.marked("compared", "delivered", "read")


async def test_a_browser_comes_in_by_the_code_that_the_phone_films(people: People, film: Path) -> None:
    phone, browser = await people.one("Ada", CAMERA), await people.one("Ada")
    await phone.register()
    await point_at_link_code(film, browser)
    await phone.open("#/settings/link")
    await phone.press("Scan code")
    await browser.shows(".home")


async def test_a_code_that_was_filmed_without_a_connection_is_kept(
    people: People, film: Path, interrupted: Interruption
) -> None:
    phone = await people.one("Ada", CAMERA, await people.cable())
    browser = await people.one("Ada")
    await phone.register()
    await point_at_link_code(film, browser)
    await phone.open("#/settings/link")
    await phone.shows("button:text-is('Scan code')")
    async with interrupted(phone):
        await phone.press("Scan code")
        await phone.shows("[role=alert]:has-text('Can’t reach the server')")
    await phone.press("Link device")
    await browser.shows(".home")


async def test_a_code_of_something_else_raises_no_alarm(people: People, film: Path) -> None:
    ada, browser = await people.two(CAMERA, DESKTOP)
    await point_at_link_code(film, await people.one("Cem"))
    await ada.open(f"#/chat/{browser.address}/safety")
    await ada.press("Scan code")
    await ada.shows("[role=status]:has-text('a safety number code')")
    assert await ada.on(".state:has-text('don’t match')", "count") == 0


async def test_a_new_phone_comes_in_by_the_code_that_a_browser_shows(people: People, film: Path) -> None:
    """The other way round: show here, scan there. Both show one number, which people compare."""
    ada = await people.one("Ada")
    await ada.register()
    await ada.open("#/settings/link")
    await ada.press("Show a code instead")
    code = "svg[role=img][aria-label='QR code for the new device']"
    await ada.shows(code)
    await point(film, ada, code)
    phone = await people.one("Ada", CAMERA)
    await phone.open()
    await phone.press("Log in with a QR code")
    await phone.press("Scan a code instead")
    for one in (ada, phone):
        await one.shows(".digits")
    shown = [await one.evaluate("document.querySelector('.digits').textContent") for one in (ada, phone)]
    assert shown[0] == shown[1]
    await ada.press("Same number, link device")
    await ada.shows("[role=status]:has-text('The new device is linked')")
    await phone.shows(".home")
    await ada.open("#/settings/devices")


async def test_a_number_that_differs_lets_nobody_in(people: People, film: Path) -> None:
    """The link opens by itself in the phone's browser, too; here it was somebody else's phone."""
    ada, eve = await people.one("Ada"), await people.one("Eve")
    await ada.register()
    await ada.open("#/settings/link")
    await ada.press("Show a code instead")
    await ada.do("context", "grantPermissions", ["clipboard-read", "clipboard-write"])
    await ada.press("Copy as link")
    link = await ada.evaluate("navigator.clipboard.readText()")
    assert "/link#2." in link
    await eve.do("page", "goto", link[:-60])
    await eve.shows("[role=status]:has-text('isn’t a code from a device')")
    await eve.open()
    await eve.do("page", "goto", link)
    await ada.shows(".digits")
    await ada.press("It shows another")
    await ada.shows("text=Or paste the link")
    await eve.shows(".digits")
    assert await eve.evaluate("document.querySelector('.home') === null")
    await eve.open()
    await eve.do("page", "goto", link)
    await eve.shows("[role=status]:has-text('Another device has already used this code')")
    await eve.press("Show a new code")
    await eve.shows("svg[role=img][aria-label='QR code to link this browser']")
