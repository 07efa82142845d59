"""A server whose media are at an address that clients reach without its certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.media.seaweed import S3, seaweed
from tests.media.uploading import Uploader


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[RunningServer]:
    """A running server with the accounts ada and ben."""
    server = RunningServer(folder, **settings)
    server.environ.setdefault("KITH_MEDIA_URL", f"http://127.0.0.1:{server.media_http_port}")
    server.start()
    try:
        for name in ("ada", "ben"):
            server.add_user(name)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One for the tests of a file."""
    with serving(tmp_path_factory.mktemp("media") / "data") as server:
        yield server
        assert "level=error" not in server.log.read_text()


@pytest.fixture
def ada(media: RunningServer) -> Uploader:
    return Uploader(media, "ada")


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3, for all files of a process."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as there:
        yield there
