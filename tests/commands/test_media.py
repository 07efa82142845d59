"""`kith media`: what operators see and do with files, beside a running server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith import commands
from kith.commands.sizes import size
from tests.conftest import RunningServer
from tests.media.conftest import serving
from tests.media.uploading import Uploader


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("media") / "data") as server:
        yield server


def test_usage_expire_and_verify(media: RunningServer) -> None:
    async def upload() -> list[str]:
        ada, ben = Uploader(media, "ada"), Uploader(media, "ben")
        return [(await who.put(b"x" * 3000)).blob for who in (ada, ada, ben)]

    first, _, _ = asyncio.run(upload())
    usage = media.kith("media", "usage").stdout
    assert usage.startswith("3 files with 8.8 KiB; room for ")
    rows = [line.split() for line in usage.splitlines()[2:]]
    assert rows == [
        ["ada@localhost", "5.9", "KiB", "20.0", "GiB"],
        ["ben@localhost", "2.9", "KiB", "20.0", "GiB"],
    ]
    assert "ada" in media.kith("media", "usage", "--most", "1").stdout
    assert "ben" not in media.kith("media", "usage", "--most", "1").stdout
    assert media.kith("media", "expire").stdout == "0 files with 0 B removed.\n"
    assert "3 files read; all are as they were uploaded." in media.kith("media", "verify").stdout
    place = media.data_dir / "media" / "blobs" / first[:2] / first
    place.write_bytes(b"y" * 3000)
    done = media.kith("media", "verify", check=False)
    assert done.returncode == 1
    assert f"{first}: damaged" in done.stdout
    assert place.exists()
    media.kith("media", "verify", "--remove", check=False)
    assert not place.exists()
    assert "2 files read; all are as they were uploaded." in media.kith("media", "verify").stdout


def test_a_folder_without_files_is_said(tmp_path: Path) -> None:
    done = RunningServer(tmp_path / "data").kith("media", "usage", check=False)
    assert done.returncode == 2
    assert "is media_dir the server's?" in done.stderr


def test_a_command_beside_the_server_takes_nothing_away_from_it(media: RunningServer) -> None:
    """SQLite's locks have to hold between the two: what the server writes afterwards is seen, and stays."""

    async def upload() -> None:
        await Uploader(media, "ada").put(b"x" * 3000)

    def files() -> int:
        return int(media.kith("media", "usage").stdout.split()[0])

    before = files()
    asyncio.run(upload())
    assert files() == before + 1
    media.kill()
    media.start()
    assert files() == before + 1


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (6000, "5.9 KiB"),
        (1024 * 1023.96, "1.0 MiB"),
        (100 * 2**20, "100 MiB"),
        (2**31, "2.0 GiB"),
        (5 * 2**50, "5120 TiB"),
    ],
)
def test_all_commands_print_sizes_in_the_units_of_the_settings(count: float, text: str) -> None:
    assert size(count) == text
    for file in Path(commands.__path__[0]).glob("*.py"):
        assert not re.search(r"\b[kK]B\b|\bMB\b|\bGB\b", file.read_text()), file
