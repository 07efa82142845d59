"""Pictures and files, between two people."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageDraw

from tests.web.people import People
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


async def test_pictures_go_from_one_to_the_other(people: People, tmp_path: Path) -> None:
    ada, ben = await people.two()
    files = [
        photo(tmp_path, f"p{at}.jpg", colour=colour)
        for at, colour in enumerate(["#3377aa", "#aa5533", "#554488"])
    ]
    await ada.on(CHOOSE, "setInputFiles", files[:1])
    await ada.shows(SHEET + " canvas")
    await shot(ada, "sheet")
    await ada.on(SHEET + " textarea", "fill", "The sea")
    await ada.press("Send")
    await ada.hides(SHEET)
    await ada.shows(".bubble .picture img")
    await ben.shows(".bubble .picture img")
    await shot(ada, "ada-one")
    await shot(ben, "ben-one")
