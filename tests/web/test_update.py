"""A newer app waits until the person takes it."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from tests.conftest import running
from tests.web.device import WEB
from tests.web.people import People


async def test_a_newer_app_is_offered_and_taken_when_the_person_says_so(
    chromium: str, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    shutil.copytree(WEB / "dist", app, ignore=shutil.ignore_patterns("*.br", "*.gz"))
    with running(tmp_path / "data", allow_plaintext="off", web_dir=str(app)) as server:
        async with AsyncExitStack() as stack:
            people = People(chromium, server, stack)
            ada = await people.one("Ada")
            await ada.register()

            await ada.keeps_the_app()
            await ada.evaluate("globalThis.older = true")
            worker = app / "sw.js"
            await asyncio.to_thread(server.stop)
            worker.write_text(worker.read_text() + "// newer\n")
            await asyncio.to_thread(server.start)
            await ada.evaluate(
                "navigator.serviceWorker.getRegistration().then((one) => one.update()).then(() => 1)"
            )
            await ada.shows(".notice:has-text('A new version is ready')")
            assert await ada.evaluate("globalThis.older")
            await ada.press("Reload")
            await ada.hides(".notice")
            await ada.shows(".home")
            assert not await ada.evaluate("globalThis.older === true")
            assert ada.complaints == []
