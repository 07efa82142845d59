"""People without a phone number here log in to the web app with a name and a password."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import running
from tests.web.person import DESKTOP, PHONE, someone


async def test_somebody_logs_in_with_name_and_password_and_chats(chromium: str, tmp_path: Path) -> None:
    with running(tmp_path / "data", allow_plaintext="off", registration="closed") as server:
        for name in ("ada", "ben"):
            server.add_user(name, "a secret")
        async with (
            someone(chromium, server, "Ada", DESKTOP) as ada,
            someone(chromium, server, "Ben", PHONE) as ben,
        ):
            for person in (ada, ben):
                await person.open()
                await person.shows("input[name=username]")  # nobody is asked for a number
                await person.hides("input[name=number]")
                await person.fill("Name", person.name.lower())
                await person.fill("Password", "wrong")
                await person.press("Continue")
                await person.shows(".problem:has-text('name or the password is wrong')")
                await person.fill("Password", "a secret")
                await person.press("Continue")
                await person.show_name()
            await ada.start_chat("ben@localhost")
            await ada.write("Hello Ben")
            await ben.open_chat("Hello Ben")
            await ben.reads("Hello Ben")
            for person in (ada, ben):
                assert person.complaints == []
                assert person.elsewhere == []
