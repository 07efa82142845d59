"""Public pictures are prepared in worker processes, which hostile pictures can end, and nothing else."""

from __future__ import annotations

import asyncio
import io
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kith.media.jobs import process
from kith.media.jobs.pool import PicturePool
from kith.media.jobs.process import Bounds, Worker
from kith.ports.pictures import Picture, PictureError, Wanted
from tests.media import hostile
from tests.media.hostile import drawing, exif, saved

FACE = Wanted(edge=192, size=90_000)
KEEP = FACE._replace(keep=True)
GOOD = saved(drawing(40, 30), "JPEG")


@pytest.fixture
async def pool() -> AsyncIterator[PicturePool]:
    pool = PicturePool()
    yield pool
    await pool.close()


async def reason(pool: PicturePool, data: bytes, wanted: Wanted = FACE) -> str:
    with pytest.raises(PictureError) as error:
        await pool.prepare(data, wanted, "ada")
    return error.value.reason


def opened(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.data))
    assert picture.type == Image.MIME[image.format or ""]
    return image


def corners(picture: Picture) -> list[str]:
    """The colors at the upper left, the upper right and the lower left of a drawing."""
    image = opened(picture).convert("RGB")
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue", (128, 128, 128): "grey"}

    def name(x: float, y: float) -> str:
        pixel: Any = image.getpixel((int(image.width * x), int(image.height * y)))
        distances = {sum(abs(a - b) for a, b in zip(color, pixel, strict=True)): color for color in names}
        return names[distances[min(distances)]]

    return [name(0.2, 0.2), name(0.8, 0.2), name(0.2, 0.8)]


# -- what comes out -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_where_and_by_whom_a_picture_was_taken_is_removed(pool: PicturePool, kind: str) -> None:
    data = saved(drawing(400, 300), kind, exif=exif(), xmp=b"<x>" + hostile.SECRET + b"</x>")
    assert hostile.SECRET in data
    for wanted in (FACE, KEEP, Wanted(4000, 900_000, keep=True)):
        picture = await pool.prepare(data, wanted, "ada")
        assert hostile.SECRET not in picture.data
        image = opened(picture)
        assert not image.getexif()
        assert not {"exif", "xmp", "comment", "XML:com.adobe.xmp"} & image.info.keys()


async def test_a_picture_is_turned_upright(pool: PicturePool) -> None:
    seen = set()
    for orientation in range(1, 9):
        turned = saved(drawing(400, 300), "JPEG", exif=exif(orientation))
        picture = await pool.prepare(turned, FACE, "ada")
        assert opened(picture).size == ((192, 144) if orientation < 5 else (144, 192))
        seen.add(tuple(corners(picture)))
        if orientation == 6:  # the phone was held upright
            assert corners(picture) == ["blue", "red", "grey"]
    assert len(seen) == 8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "CMYK", "I;16"])
async def test_every_kind_of_pixels_becomes_a_picture(pool: PicturePool, mode: str) -> None:
    image = Image.new(mode, (300, 200), 40_000) if mode == "I;16" else drawing(300, 200).convert(mode)
    picture = await pool.prepare(saved(image, "JPEG" if mode == "CMYK" else "PNG"), FACE, "ada")
    assert opened(picture).size == (192, 128)
    assert picture.type == "image/jpeg"
    if mode == "I;16":
        bright: Any = opened(picture).convert("L").getpixel((9, 9))
        assert 150 <= bright <= 160


async def test_transparency_stays_and_animations_become_their_first_picture(pool: PicturePool) -> None:
    image = drawing(300, 200, "RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    for kind in ("PNG", "WEBP"):
        assert (await pool.prepare(saved(image, kind), FACE, "ada")).type == "image/png"
    frames = [drawing(300, 200).rotate(180)]
    for kind in ("GIF", "WEBP", "PNG"):
        moving = saved(drawing(300, 200), kind, save_all=True, append_images=frames)
        picture = await pool.prepare(moving, KEEP, "ada")
        assert corners(picture) == ["red", "green", "blue"]
        assert getattr(opened(picture), "n_frames", 1) == 1


async def test_a_picture_with_nothing_to_change_keeps_its_bytes(pool: PicturePool) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        data = saved(drawing(100, 100), kind)
        assert (await pool.prepare(data, KEEP, "ada")).data == data
        assert (await pool.prepare(data, FACE, "ada")).data != data
        assert (await pool.prepare(data + b"PK\x03\x04", KEEP, "ada")).data != data + b"PK\x03\x04"


async def test_too_large_pictures_are_made_small_enough(pool: PicturePool) -> None:
    noise = Image.effect_noise((600, 600), 90)
    picture = await pool.prepare(saved(noise, "PNG"), Wanted(500, 20_000, keep=True), "ada")
    assert len(picture.data) <= 20_000
    assert max(opened(picture).size) >= 100
    clear = noise.convert("RGBA")
    clear.putpixel((0, 0), (0, 0, 0, 0))
    assert len((await pool.prepare(saved(clear, "PNG"), Wanted(500, 20_000), "ada")).data) <= 20_000
    assert await reason(pool, GOOD, Wanted(500, 20)) == "too-large"


async def test_the_same_picture_gives_the_same_bytes_each_time(pool: PicturePool) -> None:
    data = saved(drawing(400, 300), "JPEG", exif=exif(6))
    first = await pool.prepare(data, FACE, "ada")
    other = PicturePool()
    assert await other.prepare(data, FACE, "ada") == first
    await other.close()


# -- what is refused ------------------------------------------------------------------------------------


async def test_bombs_are_refused_and_the_worker_goes_on(pool: PicturePool) -> None:
    await pool.prepare(GOOD, FACE, "ada")
    (worker,) = pool.workers
    assert await reason(pool, hostile.png(10_000, 10_000)) == "too-large"
    assert await reason(pool, hostile.huge_head()) == "too-large"
    assert await reason(pool, hostile.text_bomb(50_000_000)) == "unreadable"
    assert pool.workers == [worker]
    assert corners(await pool.prepare(GOOD, FACE, "ada")) == ["red", "green", "blue"]


async def test_a_photo_of_nearly_the_largest_size_is_made_small(pool: PicturePool) -> None:
    photo = saved(drawing(7000, 7000), "JPEG", quality=30, exif=exif(6))
    assert corners(await pool.prepare(photo, FACE, "ada")) == ["blue", "red", "grey"]
    assert await reason(pool, saved(drawing(7200, 7000), "JPEG", quality=30)) == "too-large"


async def test_what_is_no_picture_is_refused(pool: PicturePool) -> None:
    whole = saved(drawing(400, 300), "PNG")
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) print\n"
    tiff = saved(drawing(40, 30), "TIFF")
    for data in (
        b"",
        b"\x89PNG not really",
        b"\xff\xd8",
        whole[:-300],
        whole[:60],
        GOOD[:200],
        script,
        eps,
        tiff,
    ):
        assert await reason(pool, data) == "unreadable"
        assert await reason(pool, data, KEEP) == "unreadable"


async def test_what_hides_behind_a_picture_is_gone(pool: PicturePool) -> None:
    page = b"<html><script>alert(1)</script></html>"
    for hiding in (
        GOOD + page,
        GOOD[:2] + b"\xff\xfe" + (len(page) + 2).to_bytes(2, "big") + page + GOOD[2:],
    ):
        assert page not in (await pool.prepare(hiding, KEEP, "ada")).data


async def test_damaged_pictures_are_refused_or_prepared_whatever_is_wrong(pool: PicturePool) -> None:
    """Bytes are changed at random, reproducibly; the worker answers each time and stays the same."""
    random_ = random.Random(20)
    await pool.prepare(GOOD, FACE, "ada")
    (worker,) = pool.workers
    refusals = set()
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        data = saved(drawing(64, 48), kind, **({} if kind == "GIF" else {"exif": exif(6)}))
        for _ in range(45):
            damaged = bytearray(data)
            for _ in range(random_.randrange(1, 6)):
                damaged[random_.randrange(len(damaged))] = random_.randrange(256)
            try:
                opened(await pool.prepare(bytes(damaged), KEEP, "ada")).load()
            except PictureError as error:
                refusals.add(error.reason)
    assert refusals <= {"unreadable", "too-large"}
    assert pool.workers == [worker]


# -- workers --------------------------------------------------------------------------------------------


async def test_too_little_memory_refuses_the_picture_and_nothing_else() -> None:
    pool = PicturePool(1, Bounds(memory=20_000_000))
    assert await reason(pool, hostile.png(6000, 6000)) == "too-large"
    assert corners(await pool.prepare(GOOD, FACE, "ada")) == ["red", "green", "blue"]
    await pool.close()


async def test_a_picture_that_takes_too_much_cpu_time_ends_its_worker_alone() -> None:
    bomb = hostile.scans_bomb()
    pool = PicturePool(2, Bounds(cpu_seconds=0, seconds=60))
    slow = asyncio.create_task(reason(pool, bomb))
    await asyncio.sleep(0)
    assert corners(await pool.prepare(GOOD, FACE, "ben")) == ["red", "green", "blue"]
    assert await slow == "failed"
    assert corners(await pool.prepare(GOOD, FACE, "ada")) == ["red", "green", "blue"]
    await pool.close()


async def test_a_worker_that_does_not_answer_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = PicturePool(1, Bounds(seconds=0.3))
    with monkeypatch.context() as patch:
        patch.setattr(process.sys, "executable", "/bin/cat")  # repeats what it gets, or ends at once
        assert await reason(pool, GOOD) == "failed"
        patch.setattr(process.sys, "executable", "/usr/bin/yes")  # answers without end
        assert await reason(pool, GOOD) == "failed"
        patch.setattr(process.sys, "executable", "/nowhere")
        assert await reason(pool, GOOD) == "failed"
    await pool.close()
    pool = PicturePool(1, Bounds(seconds=30))
    await pool.prepare(GOOD, FACE, "ada")
    (worker,) = pool.workers
    os.kill(worker, 19)  # stopped: it answers no more
    pool._bounds = pool._idle[0][0]._bounds = Bounds(seconds=0.2)
    assert await reason(pool, GOOD) == "failed"
    pool._bounds = Bounds()
    assert corners(await pool.prepare(GOOD, FACE, "ada")) == ["red", "green", "blue"]
    assert pool.workers != [worker]
    await pool.close()


async def test_a_worker_killed_in_the_middle_fails_one_picture(pool: PicturePool) -> None:
    await pool.prepare(GOOD, FACE, "ada")
    (worker,) = pool.workers
    slow = asyncio.create_task(reason(pool, hostile.scans_bomb(30)))
    while pool.workers:
        await asyncio.sleep(0)
    os.kill(worker, 11)
    assert await slow == "failed"
    assert corners(await pool.prepare(GOOD, FACE, "ada")) == ["red", "green", "blue"]
    os.kill(pool.workers[0], 9)  # while it is idle
    while pool._idle[0][0].alive:
        await asyncio.sleep(0.01)
    assert corners(await pool.prepare(GOOD, FACE, "ada")) == ["red", "green", "blue"]


async def test_workers_start_with_the_first_picture_and_end_when_idle() -> None:
    pool = PicturePool(2, idle=0.2)
    assert pool.workers == []
    await pool.prepare(GOOD, FACE, "ada")
    (worker,) = pool.workers
    await asyncio.wait_for(until_gone(worker), 10)
    assert pool.workers == []
    assert corners(await pool.prepare(GOOD, FACE, "ada")) == ["red", "green", "blue"]
    await pool.close()


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until_gone(pid: int) -> None:
    while exists(pid):
        await asyncio.sleep(0.02)


async def test_closing_the_pool_ends_its_workers_and_those_who_wait() -> None:
    pool = PicturePool(1)
    await pool.prepare(GOOD, FACE, "ada")
    (worker,) = pool.workers
    await pool.close()
    assert not exists(worker)
    assert await reason(pool, GOOD) == "busy"


def test_a_worker_ends_with_its_server() -> None:
    """Also if the server is killed and can't say goodbye."""
    script = (
        "import asyncio, sys\n"
        "from kith.media.jobs.process import Bounds, Worker\n"
        "async def main():\n"
        "    worker = Worker(Bounds())\n"
        "    await worker.start()\n"
        "    print(worker.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert server.stdout is not None
    worker = int(server.stdout.readline())
    server.kill()
    server.wait()
    server.stdout.close()
    asyncio.run(asyncio.wait_for(until_gone(worker), 20))


async def test_nobody_can_occupy_the_workers_for_others() -> None:
    pool = PicturePool(1)
    crowd = [asyncio.create_task(pool.prepare(GOOD, FACE, "ada")) for _ in range(12)]
    other = asyncio.create_task(pool.prepare(GOOD, FACE, "ben"))
    results = await asyncio.gather(*crowd, return_exceptions=True)
    assert sum(isinstance(result, Picture) for result in results) == 4
    assert corners(await other) == ["red", "green", "blue"]
    assert isinstance(await pool.prepare(GOOD, FACE, "ada"), Picture)
    await pool.close()


async def test_who_stops_waiting_takes_no_place() -> None:
    pool = PicturePool(1)
    first = asyncio.create_task(pool.prepare(hostile.scans_bomb(30), FACE, "ada"))
    waiting = [asyncio.create_task(pool.prepare(GOOD, FACE, name)) for name in ("ben", "cem", "dan")]
    await asyncio.sleep(0)
    waiting[0].cancel()
    first.cancel()
    await asyncio.gather(first, waiting[0], return_exceptions=True)
    assert corners(await waiting[1]) == corners(await waiting[2]) == ["red", "green", "blue"]
    assert pool._places == 1
    assert not pool._owners
    await pool.close()


def limits_of(pid: int) -> dict[str, str]:
    """The limits of a process, which are hard ones."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[1] for line in lines}


async def test_a_worker_can_open_no_files_and_has_little_memory() -> None:
    worker = Worker(Bounds())
    await worker.start()
    await worker.prepare(GOOD, FACE)
    limits = limits_of(worker.pid)
    assert limits["Max open files"] == limits["Max file size"] == limits["Max core file size"] == "0"
    assert int(limits["Max address space"]) < 1_500_000_000
    await worker.kill()


def test_a_worker_imports_nothing_of_the_server() -> None:
    code = "import sys, kith.media.jobs.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert not {"asyncio", "aiohttp", "sqlite3", "kith.core"} & set(done.stdout.split())
