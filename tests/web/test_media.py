"""Pictures and files, between two people."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageDraw

from tests.web.device import until
from tests.web.media_files import newest_file, opened
from tests.web.people import People, down
from tests.web.person import Someone

CHOOSE = "input[accept='image/*,video/*'] >> nth=0"
DOCUMENT = ".composer input[type=file]:not([accept])"
SHEET = "dialog[aria-label='Send files']"
#: Where to leave what was seen, for eyes.
SHOTS = os.environ.get("KITH_SHOTS")


def photo(folder: Path, name: str, size: tuple[int, int] = (1200, 900), colour: str = "#3377aa") -> str:
    """A picture that is told from others: a sky, a hill, a sun."""
    image = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.ellipse((width * 0.6, height * 0.1, width * 0.8, height * 0.35), fill="#ffd34d")
    draw.polygon([(0, height), (width * 0.4, height * 0.35), (width * 0.9, height)], fill="#2f6b3a")
    exif = Image.Exif()
    exif[0x010F] = "A camera that tells on you"
    file = folder / name
    image.save(file, quality=90, exif=exif)
    return str(file)


async def shot(person: Someone, name: str) -> None:
    if SHOTS:
        await person.picture(Path(SHOTS) / f"{name}.png")


async def test_pictures_documents_and_places_go_from_one_to_the_other(people: People, tmp_path: Path) -> None:
    ada, ben = await people.two()
    colours = ["#3377aa", "#aa5533", "#554488", "#227755", "#884455"]
    files = [photo(tmp_path, f"p{at}.jpg", colour=colour) for at, colour in enumerate(colours)]

    # one, with a caption; cropped and drawn on before
    await ada.on(CHOOSE, "setInputFiles", files[:1])
    await ada.shows(SHEET + " canvas")
    await shot(ada, "sheet")
    await ada.press("Crop")
    await shot(ada, "crop")
    await ada.press("Draw")
    await shot(ada, "draw")
    await ada.press("Draw")
    await ada.on(SHEET + " textarea", "fill", "The sea")
    # closed by mistake: what was written and drawn is still there, also after another chat was opened
    await ada.press("Close")
    await ada.shows("text=1 file not sent yet")
    await ada.open("#/")
    await ada.open_chat("Hello")
    await shot(ada, "kept")
    await ada.press("Continue")
    await ada.shows(SHEET + " canvas")
    assert await ada.on(SHEET + " textarea", "inputValue") == "The sea"
    await ada.hides("text=1 file not sent yet")
    await ada.press("Send")
    await ada.hides(SHEET)
    await ada.shows(".bubble .picture img")
    await ben.shows(".bubble .picture img")
    await ben.shows(".caption:text-is('The sea')")
    # what arrives has the size of the picture, and nothing that the camera has written into it
    stored = await newest_file(ben, 1)
    assert stored.startswith(b"\xff\xd8")
    assert b"camera" not in stored
    assert opened(stored).size == (1200, 900)
    # a smaller copy is enough for the conversation
    assert await ben.evaluate("document.querySelector('.bubble .picture img').naturalWidth") == 640

    # an album
    await ada.on(CHOOSE, "setInputFiles", files)
    await ada.shows(f"{SHEET} .thumb >> nth=4")
    await shot(ada, "album-sheet")
    await ada.press("Send")
    await ada.hides(SHEET)
    await ben.shows(".album .more:text-is('+1')")
    await ben.shows(".album .cell:nth-child(4) img")
    await shot(ben, "album")

    # a document, under its name
    document = tmp_path / "Plan \u202egpj.pdf"
    document.write_bytes(b"%PDF-1.4 nothing much")
    await ada.on(DOCUMENT, "setInputFiles", str(document))
    await ada.shows(SHEET)
    await shot(ada, "document-sheet")
    await ada.press("Send")
    await ben.shows(".file .name:text-is('Plan gpj.pdf')")

    # a contact, and a place
    await ada.press("Attach")
    await shot(ada, "attach")
    await ada.press("Contact", "menuitem")
    await ada.on("dialog .row:has-text('Ben')", "click")
    await ben.shows(".contact:has-text('Ben')")
    await ada.do("context", "grantPermissions", ["geolocation"])
    await ada.do("context", "setGeolocation", {"latitude": 52.52, "longitude": 13.405, "accuracy": 12})
    await ada.press("Attach")
    await ada.press("Location", "menuitem")
    await ada.shows("dialog .place")
    await shot(ada, "location-dialog")
    await ada.press("Send location")
    await ben.shows(".place:has-text('52.52000° N')")
    await shot(ben, "ben-all")
    await shot(ada, "ada-all")

    # the viewer
    await ben.on(".caption:text-is('The sea')", "scrollIntoViewIfNeeded")
    await ben.on(".bubble:has(.caption) .picture .press", "click")
    await ben.shows("dialog .stage img")
    await shot(ben, "viewer")
    await ben.do("key", "ArrowRight")
    await ben.do("key", "Escape")
    await ben.hides("dialog .stage")

    # all of it on the screen of the chat, and what it takes on the device
    await ben.open(f"#/media/{ada.address}")
    await ben.shows(".grid .cell:nth-child(6) img")
    await shot(ben, "chat-media")
    await ben.press("Docs", "tab")
    await ben.shows(".file .name:text-is('Plan gpj.pdf')")
    await ben.open("#/settings/storage")
    await ben.on(".row:has-text('Ada')", "click")
    await ben.shows(".inside .row")
    await shot(ben, "storage")
    await ben.press("All")
    await ben.on(".button.danger", "click")
    await ben.shows("[role=status]:has-text('freed')")
    await ben.open("#/")
    await ben.open_chat("Location")
    await ben.on(".caption:text-is('The sea')", "scrollIntoViewIfNeeded")
    await ben.shows(".bubble:has(.caption) .picture img")  # fetched again


async def test_files_get_through_cuts_and_restarts_in_every_phase(people: People, tmp_path: Path) -> None:
    """Chosen offline, the tab closed; the server away while it uploads; cut off while it downloads."""
    ada, ben = await people.two()
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(9 << 20))  # three parts

    # offline: a text, a picture and a text wait in this order, and stay when the tab is closed
    await ada.keeps_the_app()
    await ada.do("context", "setOffline", True)
    await ada.write("Before")
    await ada.on(CHOOSE, "setInputFiles", photo(tmp_path, "offline.jpg"))
    await ada.shows(SHEET + " canvas")
    await ada.press("Send")
    await ada.hides(SHEET)
    await ada.shows(".bubble .picture img")
    await ada.write("After")
    await ada.do("page", "reload")
    await ada.shows(".bubble .picture img")
    await shot(ada, "waiting")
    await ada.do("context", "setOffline", False)
    await ben.shows(".bubble .picture img")
    await ben.reads("After")
    order = (
        "[...document.querySelectorAll('.message')].map((one) =>"
        " one.querySelector('.picture') ? 'P' : one.querySelector('.text')?.textContent)"
    )
    assert (await ben.evaluate(order))[-3:] == ["Before", "P", "After"]

    # the server is killed while a document is uploaded
    await ada.on(DOCUMENT, "setInputFiles", str(large))
    await ada.shows(SHEET)
    await ada.press("Send")
    await ada.shows(".file .ring")
    async with down(people.server):
        await ada.write("And then")
    for person in (ada, ben):
        await person.evaluate(
            "dispatchEvent(new Event('online'))"
        )  # without the pause before the next attempt
    await ben.shows(".file .name:text-is('large.bin')")
    await ben.reads("And then")

    # the receiver is cut off while it is downloaded, and goes on
    await ben.on(".file .what", "click")
    await ben.do("context", "setOffline", True)
    await ben.do("context", "setOffline", False)
    await ben.hides(".file .ring")

    async def there() -> bool:
        return any(row["size"] == 9 << 20 for row in await ben.stored("files"))

    try:
        await until(there, timeout=8)
    except TimeoutError:
        await ben.on(".file .what", "click")  # it was given up, and says so
        await until(there)
