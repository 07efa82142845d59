"""What is done with a picture before it is sent, seen in the pixels that arrive; and how one is chosen."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.interop.converse import chromium as run_chromium
from tests.web.device import until
from tests.web.media_files import media_messages, newest_file, opened
from tests.web.people import People
from tests.web.person import DESKTOP, Someone

CHOOSE = "input[accept='image/*,video/*'] >> nth=0"
SHEET = "dialog[aria-label='Send files']"
RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 160, 60), (30, 60, 200), (240, 220, 40)
#: Gives a file to the conversation as the system does: `paste` or `drop`.
_GIVE = """([how, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  const where = document.querySelector(how === 'paste' ? '.composer textarea' : '.history');
  if (how === 'paste') where.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: given }));
  else
    for (const kind of ['dragenter', 'dragover', 'drop'])
      where.dispatchEvent(new DragEvent(kind, { ...options, dataTransfer: given }));
}"""

#: Presses the shutter twice, faster than a photo is made. Returns how many photos are made.
_PRESS_TWICE = """(() => {
  const canvas = OffscreenCanvas.prototype, make = canvas.convertToBlob;
  let made = 0;
  canvas.convertToBlob = function (options) {
    made += 1;
    return make.call(this, options);
  };
  const shutter = document.querySelector('dialog .shutter');
  shutter.click();
  shutter.click();
  canvas.convertToBlob = make;
  return made;
})()"""
_PULL = """([selector, points]) => {
  const element = document.querySelector(selector), box = element.getBoundingClientRect();
  element.setPointerCapture = () => undefined;
  points.forEach(([x, y], at) => {
    const kind = at === 0 ? 'pointerdown' : 'pointermove';
    const place = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
    element.dispatchEvent(new PointerEvent(kind, { ...place, bubbles: true, pointerId: 1 }));
  });
  element.dispatchEvent(new PointerEvent('pointerup', { bubbles: true, pointerId: 1 }));
}"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With a camera that shows a clock."""
    with run_chromium(tmp_path_factory.mktemp("chromium"), "--use-fake-device-for-media-stream") as where:
        yield where


def quarters(width: int, height: int) -> Image.Image:
    """Red and green above, blue and yellow below."""
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    half, middle = width // 2, height // 2
    draw.rectangle((half, 0, width, middle), fill=GREEN)
    draw.rectangle((0, middle, half, height), fill=BLUE)
    draw.rectangle((half, middle, width, height), fill=YELLOW)
    return image


def corners(image: Image.Image) -> list[tuple[int, int, int]]:
    """The colours of the quarters: above left and right, below left and right."""
    places = [(1, 1), (3, 1), (1, 3), (3, 3)]
    found = [image.getpixel((image.width * x // 4, image.height * y // 4)) for x, y in places]
    return [min((RED, GREEN, BLUE, YELLOW), key=lambda one: _distance(one, pixel)) for pixel in found]


def _distance(one: tuple[int, ...], other: object) -> int:
    assert isinstance(other, tuple)
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


async def choose(person: Someone, file: Path) -> None:
    await person.on(CHOOSE, "setInputFiles", str(file))
    await person.shows(f"{SHEET} canvas")


async def drawn(person: Someone) -> None:
    """Waits until the picture is on the stage."""
    script = "document.querySelector('dialog canvas').width > 300"
    await until(lambda: person.evaluate(script))


async def send(person: Someone) -> None:
    await person.press("Send")
    await person.hides(SHEET)


async def pull(person: Someone, selector: str, *points: tuple[float, float]) -> None:
    """A pointer that is pressed at the first point and released at the last, in parts of the element."""
    await person.evaluate(f"({_PULL})({json.dumps([selector, points])})")


async def test_what_is_done_with_a_picture_is_in_the_pixels_that_arrive(
    people: People, tmp_path: Path
) -> None:
    ada, ben = await people.two({**DESKTOP, "permissions": ["camera"]}, DESKTOP)
    number = 0

    async def arrived() -> tuple[Image.Image, bytes]:
        nonlocal number
        number += 1
        await ben.shows(f".bubble .picture img >> nth={number - 1}")
        data = await newest_file(ben, number)
        return opened(data), data

    # turned as the camera says (EXIF 6: a quarter clockwise), and without what it says of the place
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    exif[0x010F] = "A camera that tells on you"
    upright = tmp_path / "upright.jpg"
    quarters(2400, 1600).save(upright, quality=92, exif=exif)
    assert b"camera that" in upright.read_bytes()
    await choose(ada, upright)
    await send(ada)
    picture, data = await arrived()
    assert picture.size == (1067, 1600)
    assert corners(picture) == [BLUE, RED, YELLOW, GREEN]
    assert b"Exif" not in data
    assert b"camera that" not in data

    # HD has more pixels; the original is the file itself, as a document
    plain = tmp_path / "plain.jpg"
    quarters(4000, 3000).save(plain, quality=95)
    await choose(ada, plain)
    await ada.press("Quality")
    await ada.press("HD", "menuitem")
    await send(ada)
    assert (await arrived())[0].size == (3840, 2880)

    # turned, cropped to what is then the upper half, and drawn on
    await choose(ada, plain)
    await ada.press("Rotate")  # counter-clockwise
    await drawn(ada)
    await ada.press("Crop")
    for _ in range(25):  # 2 % each
        await ada.on(f"{SHEET} .handle.sw", "press", "ArrowUp")
    await ada.press("Draw")
    await drawn(ada)
    await ada.press("#111111")
    await pull(ada, f"{SHEET} canvas", (0.1, 0.5), (0.5, 0.5), (0.9, 0.5))
    await send(ada)
    cropped = (await arrived())[0]
    assert abs(cropped.width / cropped.height - 1.5) < 0.02
    left, right = (cropped.getpixel((cropped.width * at // 4, cropped.height // 5)) for at in (1, 3))
    assert _distance(GREEN, left) < 60
    assert _distance(YELLOW, right) < 60
    assert _distance((17, 17, 17), cropped.getpixel((cropped.width // 2, cropped.height // 2))) < 60
    assert max(cropped.size) == 1600

    # pasted, and dropped
    small = tmp_path / "small.png"
    quarters(400, 300).save(small)
    for how in ("paste", "drop"):
        given = json.dumps([how, f"{how}.png", "image/png", base64.b64encode(small.read_bytes()).decode()])
        await ada.evaluate(f"({_GIVE})({given})")
        await ada.shows(f"{SHEET} canvas")
        await send(ada)
        picture = (await arrived())[0]
        assert picture.size == (400, 300)
        assert corners(picture) == [RED, GREEN, BLUE, YELLOW]

    # taken with the camera of this computer
    await ada.on("[aria-label=Attach]", "click")
    await ada.press("Camera", "menuitem")
    await until(lambda: ada.evaluate("(document.querySelector('dialog video')?.videoWidth ?? 0) > 0"))
    assert await ada.evaluate(_PRESS_TWICE) == 1
    await ada.shows(f"{SHEET} canvas")
    await send(ada)
    taken = (await arrived())[0]
    assert min(taken.size) >= 300
    assert len(taken.getcolors(1 << 22) or []) > 100

    # the original is the file itself, as a document
    await choose(ada, upright)
    await ada.press("Quality")
    await ada.press("Original, as a document", "menuitem")
    await send(ada)
    await ben.shows(".file .name:text-is('upright.jpg')")
    await ben.on(".file .what", "click")
    assert await newest_file(ben, number + 1) == upright.read_bytes()
    assert (await media_messages(ben))[-1]["media"]["kind"] == "file"
