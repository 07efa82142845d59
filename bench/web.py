"""What the web app weighs, and how fast a conversation of 20,000 messages opens and scrolls, in Chromium.

    python bench/web.py [--messages N]

Times are from the browser's own trace: from the choice of a chat to the first frame that was drawn with its
newest message; frames while a script scrolls up through 100 screens' worth of messages; and frames while the
wheel is turned for five seconds, beside a page that has nothing but text. A frame is dropped if nothing of it
was drawn; its update is late if it was scrolled in time, and what the page itself changed came with a later
one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import running  # noqa: E402
from tests.interop.converse import chromium  # noqa: E402
from tests.web.person import DESKTOP, SEED, WEIGHT, Someone, someone  # noqa: E402

_REPEATS = 9
_TRACED = (
    "blink.user_timing",
    "devtools.timeline",
    "devtools.timeline.frame",
    "disabled-by-default-devtools.timeline.frame",
)
_OPEN = """(async () => {
  location.hash = '#/';
  await new Promise((done) => setTimeout(done, 600));
  performance.mark('kith-chosen');
  location.hash = '#/chat/%s';
  const drawn = () => document.querySelector('.history.placed [data-key$="id-%d"]');
  while (!drawn()) await new Promise((done) => requestAnimationFrame(done));
  performance.mark('kith-there');
  await new Promise((done) => setTimeout(done, 200));
})()"""
_SCROLL = """(async () => {
  const box = document.querySelector('.history');
  performance.mark('kith-chosen');
  let moved = 0, jumps = 0, before = 0, frames = [], then = performance.now();
  while (moved < 100 * box.clientHeight && frames.length < 4000) {
    const top = box.getBoundingClientRect().top;
    const all = [...box.querySelectorAll('[data-key]')];
    const seen = all.find((one) => one.getBoundingClientRect().bottom > top + 200);
    const place = seen.getBoundingClientRect().top;
    const step = Math.min(120, box.scrollTop);
    box.scrollTop -= step;
    moved += step;
    await new Promise((done) => requestAnimationFrame(done));
    const now = performance.now();
    frames.push(now - then);
    then = now;
    if (!seen.isConnected || Math.abs(seen.getBoundingClientRect().top - place - step) > 4) jumps += 1;
  }
  frames.sort((a, b) => a - b);
  const part = (share) => frames[Math.floor(frames.length * share)];
  return { screens: Math.round(moved / box.clientHeight), frames: frames.length, jumps,
           half: part(0.5), most: part(0.95), late: frames.filter((one) => one > 50).length,
           drawn: box.querySelectorAll('[data-key]').length };
})()"""


async def opening(person: Someone, chat: str, messages: int) -> float:
    """Milliseconds until a frame with the newest message is drawn."""
    await person.do("trace", *_TRACED)
    await person.evaluate(_OPEN % (chat, messages - 1))
    traced = await person.do("traced", "kith-chosen", "kith-there", "DrawFrame", timeout=60)
    events: list[tuple[str, float]] = sorted(
        ((name, at) for name, at, _ in traced), key=lambda event: event[1]
    )
    chosen = next(at for name, at in events if name == "kith-chosen")
    there = next(at for name, at in events if name == "kith-there")
    drawn = next((at for name, at in events if name == "DrawFrame" and at >= there), there)
    return drawn - chosen


_TEXT = (
    "<div id=text style='height: 800px; overflow: auto'>"
    + "".join(f"<p>Message {number} {'with some words ' * (number % 7)}</p>" for number in range(4000))
    + "</div>"
)
#: CSS pixels a second: as one reads, as one looks for something, and as fast as one can.
_SPEEDS = (800, 3000, 7200)


async def wheel(person: Someone, box: str, speed: int) -> dict[str, int]:
    """Frames of five seconds."""
    await person.do("trace", *_TRACED)
    await person.do("wheel", box, 5 * speed, speed, timeout=60)
    traced = await person.do("traced", "BeginFrame", "DroppedFrame", timeout=60)
    dropped = [given for name, _, given in traced if name == "DroppedFrame"]
    late = sum(bool(given.get("hasPartialUpdate")) for given in dropped)
    frames = sum(name == "BeginFrame" for name, _, _ in traced)
    return {"frames": frames, "dropped": len(dropped) - late, "late_updates": late}


async def measure(messages: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with running(place / "data", allow_plaintext="off") as server, chromium(place / "chromium") as where:
            options = {**DESKTOP, "serviceWorkers": "block"}
            async with someone(where, server, "Ada", options) as ada:
                await ada.register()
                await ada.open()
                await ada.do("page", "reload", timeout=30)
                await ada.shows(".home")
                weight = await ada.evaluate(WEIGHT)
                chat = await ada.evaluate(f"({SEED})({messages})")
                await ada.do("page", "reload", timeout=60)
                await ada.shows(".chat-row")
                times = [await opening(ada, chat, messages) for _ in range(_REPEATS)]
                await ada.do("trace", *_TRACED)
                scroll = await ada.do("page", "evaluate", _SCROLL, timeout=300)
                traced = await ada.do("traced", "DroppedFrame", "DrawFrame", timeout=60)
                names = Counter(name for name, _, _ in traced)
                scroll["frames_drawn"] = names["DrawFrame"]
                scroll["frames_dropped"] = names["DroppedFrame"]
                await ada.do("page", "reload", timeout=60)
                await ada.shows(".history.placed")
                turned = {str(speed): await wheel(ada, ".history", speed) for speed in _SPEEDS}
                await ada.do("page", "goto", "about:blank")
                await ada.do("page", "setContent", _TEXT, timeout=30)
                await ada.evaluate("document.querySelector('#text').scrollTop = 1e7")
                plain = {str(speed): await wheel(ada, "#text", speed) for speed in _SPEEDS}
    return {
        "messages": messages,
        "script_before_the_first_chat_bytes": weight["script"],
        "crypto_beside_it_bytes": weight["crypto"],
        "style_bytes": weight["style"],
        "opening_ms": {"median": round(statistics.median(times)), "worst": round(max(times))},
        "scrolling": {name: round(value, 1) for name, value in scroll.items()},
        "wheel": turned,
        "wheel_over_a_page_of_text": plain,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000)
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.messages))
    out = ROOT / "bench" / "out"
    out.mkdir(exist_ok=True)
    (out / "web.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
