"""One worker process, seen from the server. It is started as a new program, never forked from the server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import NamedTuple

from kith.media.jobs import frames
from kith.ports.pictures import Picture, PictureError, Reason, Wanted

#: The beginnings of what a worker may answer with, by media type: a worker that was taken over could answer
#: with anything.
_BEGINNINGS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "image/webp": b"RIFF"}
_REASONS: dict[object, Reason] = {"too-large": "too-large", "unreadable": "unreadable"}


class Bounds(NamedTuple):
    """What one job may use: pixels of the picture, bytes of memory, seconds of CPU time, seconds in all."""

    pixels: int = 50_000_000
    memory: int = 512 * 1024 * 1024
    cpu_seconds: int = 10
    seconds: float = 30.0


class WorkerError(Exception):
    """The worker has ended, took too long, or has not answered with a picture. The text says which."""


class Worker:
    """A process that prepares one picture at a time. Await `start` first."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._process: Process | None = None
        #: How many pictures it has prepared.
        self.jobs = 0

    @property
    def pid(self) -> int:
        """The id of the process. Raises LookupError before the start."""
        if self._process is None:
            raise LookupError("the worker was not started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts the process. Raises OSError if the system does not allow it."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "kith.media.jobs.worker", str(self._bounds.memory)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd="/",
            env={"LANG": "C.UTF-8"},
        )

    async def prepare(self, data: bytes, wanted: Wanted) -> Picture:
        """Prepares a picture. Raises PictureError if the picture can't be prepared.

        Raises WorkerError if the worker is of no use any more; the caller then kills it.
        """
        bounds = self._bounds
        head = {
            "edge": wanted.edge,
            "size": min(wanted.size, frames.BODY_BYTES),
            "keep": wanted.keep,
            "pixels": bounds.pixels,
            "seconds": bounds.cpu_seconds,
        }
        try:
            async with asyncio.timeout(bounds.seconds):
                answer, body = await self._exchange(frames.pack(head, data))
        except TimeoutError:
            raise WorkerError(f"no answer for {bounds.seconds:g} seconds") from None
        except (frames.FrameError, asyncio.IncompleteReadError, OSError) as error:
            raise WorkerError(await self._ending(error)) from None
        self.jobs += 1
        return _picture(answer, body, wanted)

    async def _exchange(self, request: bytes) -> tuple[dict[str, object], bytes]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request)
        await process.stdin.drain()
        head, body = frames.lengths(await process.stdout.readexactly(frames.PREFIX_BYTES))
        answer = frames.unpack_head(await process.stdout.readexactly(head))
        return answer, await process.stdout.readexactly(body)

    async def _ending(self, error: Exception) -> str:
        """How the process has ended, for the log."""
        process = self._process
        assert process is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                code = await process.wait()
                return f"ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return str(error) or type(error).__name__

    async def end(self) -> None:
        """Lets an idle worker end by itself."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """Ends it at once, whatever it does."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has ended
            self._process.kill()
        await self._process.wait()


def _picture(answer: dict[str, object], body: bytes, wanted: Wanted) -> Picture:
    """The answer as a picture. Raises PictureError, WorkerError."""
    if (error := answer.get("error")) is not None:
        if reason := _REASONS.get(error):
            raise PictureError(reason)
        raise WorkerError(f"failed: {answer.get('cause')}")
    kind = answer.get("type")
    beginning = _BEGINNINGS.get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or beginning is None or not body.startswith(beginning):
        raise WorkerError("answered with something that is not a picture")
    if len(body) > wanted.size:
        raise WorkerError("answered with more than was asked for")
    return Picture(kind, body)
