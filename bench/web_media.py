"""What a photo costs before it is sent, and how a chat with thousands of pictures scrolls, in Chromium.

    python bench/web_media.py [--pictures N]

The CPU time is that of all of the browser's processes, from the choice of a photo of 12 megapixels to the
tick that the server has it. The chat with pictures is scrolled by the script of `bench/web.py`, beside one of
the same length that has texts alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.web import _SCROLL  # noqa: E402
from tests.conftest import running  # noqa: E402
from tests.interop.converse import chromium  # noqa: E402
from tests.web.person import DESKTOP, SEED, Someone, meet, someone  # noqa: E402

_REPEATS = 5
#: Turns the messages of a chat into pictures that are on the device.
_PICTURES = """async (chat) => {
  const name = (await indexedDB.databases()).map((one) => one.name).find((one) => one.startsWith('kith '));
  const opening = indexedDB.open(name);
  await new Promise((done) => (opening.onsuccess = done));
  const database = opening.result;
  const canvas = new OffscreenCanvas(1600, 1200);
  const context = canvas.getContext('2d');
  const files = [];
  for (let number = 0; number < 24; number++) {
    for (let at = 0; at < 900; at++) {
      context.fillStyle = `hsl(${(number * 15 + at) % 360} 60% ${at % 100}%)`;
      context.fillRect(Math.random() * 1600, Math.random() * 1200, 120, 90);
    }
    files.push(await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 }));
  }
  const work = database.transaction(['messages', 'files', 'blobs'], 'readwrite');
  const messages = work.objectStore('messages');
  const all = await new Promise((done) => {
    messages.getAll().onsuccess = (event) => done(event.target.result);
  });
  all.filter((one) => one.chat === chat).forEach((message, number) => {
    const key = btoa(String(number).padStart(32, '0'));
    const [iv, digest] = [btoa('iv'.padEnd(12, '0')), btoa('digest'.padEnd(32, '0'))];
    const id = `${key} ${iv} ${digest}`;
    const data = files[number % files.length];
    const tall = number % 3 === 0;
    messages.put({ ...message, text: '', media: {
      kind: 'picture', url: 'https://localhost/m/x/x.jpg', key, iv, digest, type: 'image/jpeg',
      size: data.size,
      width: tall ? 1200 : 1600, height: tall ? 1600 : 1200, preview: '3OcRJYB4d3h/iIeHeEh3eIhw+j2w' } });
    work.objectStore('files').put({ id, size: data.size, used: Date.now() });
    work.objectStore('blobs').put({ id, data });
  });
  await new Promise((done) => (work.oncomplete = done));
  database.close();
}"""


def photo(file: Path) -> None:
    """Twelve megapixels of about 4 MB, as phones make them."""
    noise = Image.effect_noise((1000, 750), 60).resize((4000, 3000), Image.Resampling.BICUBIC)
    Image.merge("RGB", (noise, noise.rotate(90, expand=False), noise.rotate(180))).save(file, quality=92)


def cpu(folder: Path) -> float:
    """Seconds that the browser with this folder has used, in all processes.

    Without the thread that talks to who drives the browser: what is uploaded passes it as Base64 once more.
    """
    ticks = 0
    for pid in _family(folder):
        process = Path(f"/proc/{pid}")
        ticks += _ticks(process)
        ticks -= sum(
            _ticks(one) for one in process.glob("task/*") if _name(one).startswith("Chrome_DevTools")
        )
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(place: Path) -> int:
    """Of a process, or of a thread of one; 0 if it has ended."""
    try:
        fields = (place / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _name(thread: Path) -> str:
    try:
        return (thread / "comm").read_text()
    except OSError:
        return ""


def _family(folder: Path) -> set[int]:
    """The browser and all that it has started."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if str(folder) in (entry / "cmdline").read_text():
                found.add(int(entry.name))
        except OSError:
            continue
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


async def sending(ada: Someone, file: Path, folder: Path) -> tuple[float, float]:
    """Seconds of CPU, and of time, from the choice to the tick."""
    marks = ".message.mine [data-progress=sent], .message.mine [data-progress=delivered]"
    await ada.on("textarea >> nth=0", "click")
    before = len(await ada.stored("messages"))
    used, began = cpu(folder), time.perf_counter()
    await ada.do("choose", "input[accept='image/*,video/*']", str(file))
    await ada.shows("dialog[aria-label='Send files'] canvas")
    await ada.press("Send")
    await ada.shows(f":is({marks}) >> nth={before - 1}")
    return cpu(folder) - used, time.perf_counter() - began


async def measure(pictures: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        file = place / "photo.jpg"
        photo(file)
        browser = place / "chromium"
        with running(place / "data", allow_plaintext="off") as server, chromium(browser) as where:
            options = {**DESKTOP, "serviceWorkers": "block"}
            async with (
                someone(where, server, "Ada", options) as ada,
                someone(where, server, "Ben", options) as ben,
            ):
                await meet(ada, ben)
                await ben.open("#/")
                costs = [await sending(ada, file, browser) for _ in range(_REPEATS)]
                result: dict[str, Any] = {
                    "photo_bytes": file.stat().st_size,
                    "cpu_s": [round(one, 2) for one, _ in costs],
                    "time_s": [round(one, 2) for _, one in costs],
                }
                texts = await ada.evaluate(f"({SEED})({pictures})")
                chat = await ada.evaluate(f"({SEED})({pictures}, {json.dumps(ben.address)})")
                # the small copies of the pictures are made when a picture is seen first
                for kind in ("texts", "pictures_seen_first", "pictures", "texts_again"):
                    if kind == "pictures_seen_first":
                        await ada.do("page", "evaluate", f"({_PICTURES})({json.dumps(chat)})", timeout=120)
                    shown = texts if kind == "texts_again" else chat
                    await ada.open(f"#/chat/{shown}")
                    await ada.do("page", "reload", timeout=60)
                    await ada.shows(".history.placed")
                    await asyncio.sleep(2)
                    scroll = await ada.do("page", "evaluate", _SCROLL, timeout=300)
                    result[kind] = {name: round(value, 1) for name, value in scroll.items()}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=2000)
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.pictures))
    out = ROOT / "bench" / "out"
    out.mkdir(exist_ok=True)
    (out / "web_media.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
