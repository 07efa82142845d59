"""What an upload costs does not depend on how the network cuts it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from kith.media.uploads import Interrupted, gathered
from tests.conftest import RunningServer
from tests.media.uploading import Uploader

_TOGETHER = 256 * 1024


def depot(gathered: int = 0) -> Any:
    return SimpleNamespace(gathered=gathered)


def moved(time: float) -> None:
    pass


async def come(*pieces: bytes, broken: bool = False, wait: float = 0.0) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(wait)
        yield piece
    if broken:
        raise Interrupted


async def test_small_pieces_are_written_together_and_in_order() -> None:
    pieces = [bytes([number % 256]) * 1000 for number in range(2000)]
    shared = depot()
    lists = [list(one) async for one in gathered(come(*pieces), shared, moved)]
    assert [piece for one in lists for piece in one] == pieces
    assert len(lists) <= len(pieces) * 1000 // _TOGETHER + 1
    assert shared.gathered == 0


async def test_what_came_before_an_interruption_is_written() -> None:
    shared, got = depot(), list[bytes]()

    async def collect() -> None:
        async for one in gathered(come(b"a", b"b", broken=True), shared, moved):
            got.extend(one)

    with pytest.raises(Interrupted):
        await collect()
    assert got == [b"a", b"b"]
    assert shared.gathered == 0


async def test_pieces_of_slow_clients_and_of_very_many_do_not_wait() -> None:
    slow = [one async for one in gathered(come(b"a", b"b", b"c", wait=0.11), depot(), moved)]
    assert slow[0] == [b"a", b"b"]
    many = [one async for one in gathered(come(b"a", b"b"), depot(gathered=8 * 1024 * 1024), moved)]
    assert many == [[b"a"], [b"b"]]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the figures are those of Linux")
async def test_an_upload_does_not_take_its_memory_from_the_system_piece_by_piece(
    ada: Uploader, media: RunningServer
) -> None:
    """As long as the C library gave freed memory back at once, pieces cost more than everything else."""
    content = os.urandom(48 * 1024 * 1024)
    faults = []
    async with aiohttp.ClientSession() as http:
        for _ in range(2):  # the first one takes the memory that the others use again
            before = _faults(media.pid)
            slot = await ada.slot(len(content))
            async with http.put(slot.put, data=content, headers=slot.headers) as answer:
                assert answer.status == 201
            faults.append(_faults(media.pid) - before)
    assert faults[-1] < len(content) // 4096 // 4


def _faults(pid: int) -> int:
    """How often the system had to give a process memory (proc(5), minflt)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])
