"""Files in the terminal: sent, shown as a line or a picture, saved, and never believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual_image.widget import HalfcellImage

from kith.client import Media, MediaKind
from kith.client.media.names import safe_name, size_text
from kith.client.media.texts import title
from kith.client.testing import FakeServer
from kith.client.tui import pictures
from kith.client.tui.bubble import Bubble
from tests.client.conftest import until
from tests.client.test_media import media, photo
from tests.client.test_terminal import shown, write
from tests.client.test_terminal_actions import chat


async def test_a_file_is_sent_and_another_is_saved_by_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DOWNLOAD_DIR", str(tmp_path / "saved"))
    (tmp_path / "plan.txt").write_text("content of the plan")
    async with FakeServer() as server, chat(server) as (app, pilot, ben):
        await ben.send("hello")
        await shown(pilot, "hello")
        await pilot.press("ctrl+f")
        await shown(pilot, "Send a file")
        await write(pilot, str(tmp_path / "plan.txt"))
        await pilot.press("tab")
        await write(pilot, "The plan")
        await pilot.press("enter")
        got = await ben.receives()
        assert (got.body, media(got).name) == ("The plan", "plan.txt")
        await shown(pilot, "▤ File plan.txt (19 bytes)")
        await ben.client.send_file(app.client.jid, photo(tmp_path), caption="My garden")
        await shown(pilot, "▣ Picture (")
        await shown(pilot, "My garden")
        await pilot.press("ctrl+up", "s")
        await until(lambda: (tmp_path / "saved" / "photo.jpg").exists())
        with Image.open(tmp_path / "saved" / "photo.jpg") as picture:
            assert picture.size == (200, 320)


async def test_a_small_picture_is_shown_where_the_terminal_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Library:
        Image = HalfcellImage

    monkeypatch.setattr(pictures, "_library", Library)
    async with FakeServer() as server, chat(server) as (app, pilot, ben):
        await ben.client.send_file(app.client.jid, photo(tmp_path))
        await until(lambda: any(bubble.picture for bubble in app.query(Bubble)))
        await pilot.pause()
        (bubble,) = [one for one in app.query(Bubble) if one.picture]
        assert bubble.picture is not None
        assert 2 <= bubble.picture.size.height <= 14


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff not a picture", b"<svg onload='x'/>"])
def test_what_is_no_picture_is_not_shown(data: bytes) -> None:
    assert pictures.decoded(data) is None


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert pictures.decoded((tmp_path / "bomb.png").read_bytes()) is None


HOSTILE = (
    "../../etc/passwd",
    "..\\..\\windows\\system32\\x.exe",
    "/etc/cron.d/x",
    "C:\\x.txt",
    ".bashrc",
    "-rf",
    "~/.ssh/authorized_keys",
    "con.txt",
    "a\x1b]0;owned\x07.txt",
    "photo\u202egpj.exe",
    "a\nb.txt",
    "x" * 5000 + ".pdf",
    "   ",
    "",
    "...",
    "a\x00b",
    "\ud800.txt",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_neither_leaves_its_folder_nor_reaches_the_terminal(name: str, tmp_path: Path) -> None:
    safe = safe_name(name, "text/plain")
    assert Path(safe).name == safe
    assert safe[0] not in ".-~"
    assert len(safe.encode()) <= 100
    assert safe.isprintable()
    assert safe.partition(".")[0].lower() not in ("con", "nul")
    (tmp_path / safe).write_text("")
    assert [one.name for one in tmp_path.iterdir()] == [safe]
    line = title(Media(MediaKind.FILE, name, size=5))
    assert "\x1b" not in line
    assert "\n" not in line
    assert "\u202e" not in line
    assert len(line) < 100


def test_sizes_are_said_in_words() -> None:
    wanted: dict[int | None, Any] = {
        0: "0 bytes",
        999: "999 bytes",
        1500: "1.5 KB",
        2_000_000: "2 MB",
        None: "",
    }
    assert {size: size_text(size) for size in wanted} == wanted
