"""The worker process: ``python -m kith.media.jobs.worker`` reads jobs from standard input, one at a time.

Before the first job it gives up what a decoder does not need: it can't open files, has no more than some
memory, and may run for some seconds of CPU time for each job. It ends when its input ends.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import resource
import sys
from typing import BinaryIO

from PIL import Image, ImageCms

from kith.media.jobs import frames, pictures

#: What Pillow imports when a file needs it. It has to be there before no file can be opened any more.
_LATE = (
    *("copy", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.WebPImagePlugin"),
    *("PIL.ImageChops", "PIL.ImageMath", "PIL.ImageMode", "PIL.ImagePalette", "PIL.ImageSequence"),
    *("PIL.MpoImagePlugin", "PIL.TiffImagePlugin", "PIL.TiffTags"),
)


def confine(memory: int) -> None:
    """Takes away from this process what it does not need. ``memory``: bytes that jobs may use."""
    for name in _LATE:
        importlib.import_module(name)
    Image.preinit()
    pictures.prepare(_sample(), 8, 10_000, False, 10_000)  # imports what is imported at the first use
    os.nice(10)
    # the first to be ended when memory is short; only Linux has this
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    _limit(resource.RLIMIT_AS, _address_space() + memory)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _address_space() -> int:
    """How much address space the process has already, in bytes."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        return 256 * 1024 * 1024


def _sample() -> bytes:
    """A small picture with a color profile."""
    out = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (16, 16)).save(out, "JPEG", icc_profile=profile)
    return out.getvalue()


def _allow(seconds: int) -> None:
    """Allows the process some more seconds of CPU time; then the kernel ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def _answer(head: dict[str, object], body: bytes) -> bytes:
    try:
        kind, data = pictures.prepare(
            body, int(str(head["edge"])), int(str(head["size"])), bool(head["keep"]), int(str(head["pixels"]))
        )
    except (pictures.TooLargeError, MemoryError):
        return frames.pack({"error": "too-large"})
    except pictures.UnreadableError:
        return frames.pack({"error": "unreadable"})
    except Exception as error:
        return frames.pack({"error": "failed", "cause": f"{type(error).__name__}: {error}"[:500]})
    return frames.pack({"type": kind}, data)


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Does jobs until there are none. Raises FrameError."""
    while prefix := source.read(frames.PREFIX_BYTES):
        head_length, body_length = frames.lengths(prefix)
        head = frames.unpack_head(source.read(head_length))
        body = source.read(body_length)
        _allow(int(str(head["seconds"])))
        target.write(_answer(head, body))
        target.flush()


def main() -> None:
    confine(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
