"""How long it takes from "Accept" to the first decoded picture of a video call, in Chromium.

    python bench/calls.py [--times 20]

Between two people: directly over the loopback, and through Debian's coturn with "relay only". The time is
that of the page of the one who accepts: from the click to the first decoded frame of the other side
(`requestVideoFrameCallback`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.calls.coturn import SECRET, Coturn  # noqa: E402
from tests.conftest import running  # noqa: E402
from tests.interop.converse import chromium  # noqa: E402
from tests.web.calls import ARGUMENTS, DEVICES, call, hang_up, over, prepare  # noqa: E402
from tests.web.person import DESKTOP, Someone, meet, someone  # noqa: E402

#: How many calls two people make at once: the server bounds how often one may call another.
_SERIES = 5
#: Accepts, and resolves to the milliseconds until a frame of the other side was decoded.
_ACCEPT = """(async () => {
  const begun = performance.now();
  document.querySelector('[aria-label="Accept with video"]').click();
  for (;;) {
    const video = document.querySelector('video.theirs');
    if (video?.srcObject) {
      await new Promise((done) => video.requestVideoFrameCallback(done));
      return performance.now() - begun;
    }
    await new Promise((done) => setTimeout(done, 5));
  }
})()"""


async def one(caller: Someone, called: Someone) -> float:
    await call(caller, video=True)
    await called.shows(".incoming")
    took: float = await called.evaluate(_ACCEPT)
    await hang_up(called)
    await over(caller, called)
    return took


async def measure(times: int, relay_only: bool, folder: Path) -> list[float]:
    coturn = Coturn(folder)
    relays = json.dumps([{"urls": [f"turn:localhost:{coturn.port}?transport=udp"], "secret": SECRET}])
    try:
        with (
            running(folder / "data", allow_plaintext="off", relays=relays) as server,
            chromium(folder / "chromium", *ARGUMENTS) as where,
        ):
            options = {**DESKTOP, **DEVICES}
            async with (
                someone(where, server, "Ada", options) as ada,
                someone(where, server, "Ben", options) as ben,
            ):
                await meet(ada, ben)
                await prepare(ada, ben)
                if relay_only:
                    for person, other in ((ada, ben), (ben, ada)):
                        await person.open("#/settings/privacy")
                        await person.on("[role=switch]:has-text('Calls through a relay only')", "click")
                        await person.open(f"#/chat/{other.address}")
                # the first call loads the code
                return [await one(ada, ben) for _ in range(times + 1)][1:]
    finally:
        coturn.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--times", type=int, default=20, help="calls of each kind (20)")
    times = arguments.parse_args().times
    for name, relay_only in (("direct", False), ("relayed", True)):
        took: list[float] = []
        while len(took) < times:
            with tempfile.TemporaryDirectory() as folder:
                took += asyncio.run(measure(min(_SERIES - 1, times - len(took)), relay_only, Path(folder)))
        print(
            f"{name}: accept to first decoded frame, median of {times}: {statistics.median(took):.0f} ms"
            f" ({min(took):.0f} to {max(took):.0f})"
        )


if __name__ == "__main__":
    main()
