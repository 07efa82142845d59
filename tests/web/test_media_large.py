"""Files that are too large to be encrypted as a whole go in segments, which are authenticated one by one."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.web.device import until
from tests.web.media_files import media_messages
from tests.web.people import People
from tests.web.person import DESKTOP, Someone

#: Just above what is sent as a whole; the last segment is a short one.
SIZE = (64 << 20) + 12_345
DOCUMENT = ".composer input[type=file]:not([accept])"
NAME = ".file .name:text-is('%s')"


def large_file(place: Path) -> str:
    """Returns its digest."""
    data = os.urandom(1 << 20) * (SIZE >> 20) + os.urandom(SIZE % (1 << 20))
    place.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def forget(folder: Path, blob: str) -> None:
    """As when it has expired."""
    with closing(sqlite3.connect(folder / "media.sqlite")) as database, database:
        database.execute("DELETE FROM blob WHERE id = ?", (blob,))
        database.execute("DELETE FROM claim WHERE blob = ?", (blob,))


async def send_document(person: Someone, file: Path) -> None:
    await person.do("choose", DOCUMENT, str(file))
    await person.shows("dialog[aria-label='Send files']")
    await person.press("Send")


async def save(person: Someone, name: str, where: Path) -> str:
    """Returns the digest of what was saved."""
    bubble = f".file:has(.name:text-is('{name}')) .what"
    assert await person.do("saved", bubble, str(where), timeout=90) == name
    return hashlib.sha256(where.read_bytes()).hexdigest()


async def test_file_in_segments_arrives_and_comes_again_when_the_server_has_lost_it(
    people: People, tmp_path: Path
) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP)
    for person in (ada, ben):
        # a dialog of the system, which nobody could answer
        await person.evaluate("delete window.showSaveFilePicker")
    first, second = tmp_path / "first.bin", tmp_path / "second.bin"
    digests = [large_file(first), large_file(second)]
    await send_document(ada, first)
    await ben.shows(NAME % "first.bin")
    await send_document(ben, second)
    await ada.shows(NAME % "second.bin")
    assert await save(ben, "first.bin", tmp_path / "a") == digests[0]

    # nothing of it was stored in one piece, and the server has nothing that it could read
    message = (await media_messages(ada))[-1]
    segments = message["media"]["segments"]
    assert segments["size"] == SIZE + 65 * 16
    blob = segments["url"].split("/")[-2]
    [stored] = (people.server.data_dir / "media" / "blobs").glob(f"*/{blob}")
    assert second.read_bytes()[:4096] not in stored.read_bytes()

    # the server does not have it any more: the sender's device is asked, and uploads it again
    forget(people.server.data_dir / "media", blob)
    stored.unlink()
    ada.provoked = ("404",)
    await ada.on(f".file:has({(NAME % 'second.bin').removeprefix('.file ')}) .what", "click")
    await ada.shows("[role=status]:has-text('Asked')")

    async def moved() -> bool:
        return bool((await media_messages(ada))[-1]["media"]["segments"]["url"] != segments["url"])

    await until(moved, 60)
    assert await save(ada, "second.bin", tmp_path / "b") == digests[1]
