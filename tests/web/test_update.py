"""A newer app waits until the person takes it."""

from __future__ import annotations

import contextlib
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from tests.conftest import running
from tests.interop.node import Refused
from tests.web.device import WEB, until
from tests.web.people import Interruption, People, down
from tests.web.person import DESKTOP

UPDATE = """navigator.serviceWorker.getRegistration()
  .then((one) => one.update())
  .then(() => true, () => false)"""


async def test_a_newer_app_is_offered_and_taken_when_the_person_says_so(
    chromium: str, tmp_path: Path, interrupted: Interruption
) -> None:
    """A network that is gone by then is no trouble: all of it is in the browser before it is offered."""
    app = tmp_path / "app"
    shutil.copytree(WEB / "dist", app, ignore=shutil.ignore_patterns("*.br", "*.gz"))
    with running(tmp_path / "data", allow_plaintext="off", web_dir=str(app)) as server:
        async with AsyncExitStack() as stack:
            people = People(chromium, server, stack)
            ada = await people.one("Ada", DESKTOP, await people.cable())
            await ada.register()
            await ada.keeps_the_app()
            await ada.evaluate("globalThis.older = true")
            worker = app / "sw.js"
            async with down(server):
                worker.write_text(worker.read_text() + "// newer\n")
            async with interrupted(ada):
                assert not await ada.evaluate(UPDATE)
            assert await ada.evaluate(UPDATE)
            await ada.shows(".notice:has-text('A new version is available')")
            assert await ada.evaluate("globalThis.older")
            async with interrupted(ada):
                await ada.press("Reload")
                await ada.hides(".notice:has-text('A new version')")
                await ada.shows(".home")
                assert not await ada.evaluate("globalThis.older === true")
            await ada.hides(".notice")
            assert ada.complaints == []


#: As an app does that keeps things in another way.
NEWER = """(async () => {
  const all = await indexedDB.databases();
  for (const { name, version } of all) {
    const opening = indexedDB.open(name, version + 10);
    await new Promise((done, failed) => Object.assign(opening, { onsuccess: done, onerror: failed }));
    opening.result.close();
  }
  return all.length;
})()"""


async def test_a_window_makes_room_when_another_one_has_a_newer_app(people: People) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP)
    await ada.evaluate("globalThis.older = true")
    await ada.do("tab", 1)
    await ada.open("manifest.webmanifest")
    assert await ada.evaluate(NEWER) == 1
    await ada.do("tab", 0)

    async def anew() -> bool:
        with contextlib.suppress(Refused):  # while the page goes
            return not await ada.evaluate("globalThis.older === true")
        return False

    await until(anew)
    await ada.reads("Hello")
    await ben.write("are you still there?")
    await ada.reads("are you still there?")
    await ada.write("yes")
    await ben.reads("yes")
