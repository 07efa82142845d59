"""Videos of which only renditions are there: authenticated segment by segment, and put into one file.

Picture and sound are streams of their own; PyAV copies both into one MP4 without encoding them anew.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kith.client.errors import LibraryMissing, MediaDamaged, NotSendable
from kith.client.media.placing import PartFile
from kith.client.media.segments import TAG, SegmentCipher
from kith.client.media.values import SOUND, Media, Progress, Rendition

if TYPE_CHECKING:
    from av.container import InputContainer

    from kith.client.media.fetching import Fetching

_MOST_INDEX, _MOST_SEGMENTS, _MOST_SEGMENT = 4 * 1024 * 1024, 20_000, 64 * 1024 * 1024
_MOST_BYTES = 4 * 1024 * 1024 * 1024
_PORTION = 1024 * 1024


def chosen_rendition(media: Media, name: str) -> Rendition:
    """The rendition with a name, or the best one. Raises NotSendable, MediaDamaged if there is none."""
    if name:
        found = next((one for one in media.streams if one.name == name), None)
        if found is None:
            names = ", ".join(one.name for one in media.streams) or "none"
            raise NotSendable(f"There is no rendition {name!r} of this file, but: {names}.")
        return found
    if not media.renditions:
        raise MediaDamaged("The video has no picture.")
    return media.renditions[0]


async def stream_rendition(fetching: Fetching, media: Media, name: str) -> AsyncIterator[bytes]:
    """Yields the segments of a rendition, by default of the best. Raises NotSendable, MediaDamaged."""
    stream = chosen_rendition(media, name)
    end = _checked_end(stream)
    cipher = SegmentCipher(media.key, stream.name)
    index = b"".join([data async for data in fetching.download(stream.url, end, start=stream.offset)])
    lengths = segment_lengths(cipher.open_index(index), stream.offset)
    waiting, number = bytearray(), 0
    async for data in fetching.download(stream.url, end):
        waiting += data
        while number < len(lengths) and len(waiting) >= lengths[number]:
            sealed = bytes(waiting[: lengths[number]])
            del waiting[: lengths[number]]
            number += 1
            yield cipher.open(number - 1, sealed, number == len(lengths))
    if number < len(lengths):
        raise MediaDamaged("The video was cut off.")


def _checked_end(stream: Rendition) -> int:
    """Where the blob of a rendition ends. Raises MediaDamaged."""
    end = stream.offset + stream.length
    if not TAG <= stream.length <= _MOST_INDEX or end > _MOST_BYTES:
        raise MediaDamaged("The video's description is wrong.")
    return end


async def fetch_video(
    fetching: Fetching, media: Media, part: PartFile, progress: Progress | None, name: str = ""
) -> None:
    """Writes a rendition of a video, by default the best, with its sound.

    Raises MediaDamaged, LibraryMissing, NotSendable (there is none of that name).
    """
    best = chosen_rendition(media, name)
    chosen = [best] if best.name == SOUND else [best, *(one for one in media.streams if one.name == SOUND)]
    with tempfile.TemporaryDirectory(dir=part.part.parent, prefix=".") as folder:
        found = [
            await _fetch_stream(fetching, media.key, one, Path(folder) / str(number), progress)
            for number, one in enumerate(chosen)
        ]
        joined = found[0] if len(found) == 1 else Path(folder) / "joined.mp4"
        if len(found) > 1:
            await asyncio.to_thread(_join, found, joined)
        await asyncio.to_thread(_copy, joined, part)


async def _fetch_stream(
    fetching: Fetching, key: bytes, stream: Rendition, path: Path, progress: Progress | None
) -> Path:
    end = _checked_end(stream)
    sealed = path.with_suffix(".sealed")
    with sealed.open("xb") as file:
        async for data in fetching.download(stream.url, end, progress):
            await asyncio.to_thread(file.write, data)
        if file.tell() != end:
            raise MediaDamaged("The video was cut off.")
    plain = path.with_suffix(".mp4")
    await asyncio.to_thread(open_stream, sealed, plain, key, stream)
    sealed.unlink()
    return plain


def open_stream(sealed: Path, plain: Path, key: bytes, stream: Rendition) -> None:
    """Decrypts a rendition, with all segments in order. Raises MediaDamaged."""
    cipher = SegmentCipher(key, stream.name)
    with sealed.open("rb") as source, plain.open("xb") as target:
        source.seek(stream.offset)
        lengths = segment_lengths(cipher.open_index(source.read(stream.length)), stream.offset)
        source.seek(0)
        for index, length in enumerate(lengths):
            target.write(cipher.open(index, source.read(length), index == len(lengths) - 1))


def segment_lengths(index: bytes, total: int) -> list[int]:
    """The bytes of each segment in an index, which have to be ``total`` in all. Raises MediaDamaged."""
    wrong = MediaDamaged("The video's index is wrong.")
    try:
        found: Any = json.loads(index)
        segments = found["segments"]
        lengths, starts = [length for length, _ in segments], [start for _, start in segments]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise wrong from None
    if not 0 < len(lengths) <= _MOST_SEGMENTS or not all(type(one) is int for one in (*lengths, *starts)):
        raise wrong
    if not all(TAG <= one <= _MOST_SEGMENT for one in lengths) or sum(lengths) != total:
        raise wrong
    if starts[0] < 0 or any(later < earlier for earlier, later in pairwise(starts)):
        raise wrong
    return lengths


def _join(files: list[Path], target: Path) -> None:
    try:
        import av
    except ImportError:
        raise LibraryMissing("Videos need PyAV. Install it with: pip install 'kith[media]'") from None
    from kith.client.media.prepared import UnreadableMedia
    from kith.client.media.sounds import opened

    try:
        with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as output:
            sources = [opened(file) for file in files]
            copies = [output.add_stream_from_template(one.streams[0]) for one in sources]
            packets = [_packets(source, copy) for source, copy in zip(sources, copies, strict=True)]
            for _, copy, packet in heapq.merge(*packets, key=itemgetter(0)):
                packet.stream = copy
                output.mux(packet)
            for source in sources:
                source.close()
    except (av.FFmpegError, UnreadableMedia, IndexError) as error:
        raise MediaDamaged(f"The video can't be read ({error}).") from None


def _packets(source: InputContainer, copy: Any) -> Iterator[tuple[float, Any, Any]]:
    """The packets of a stream with their times in seconds: two streams are written side by side."""
    for packet in source.demux(source.streams[0]):
        if packet.dts is not None and packet.time_base is not None:
            yield float(packet.dts * packet.time_base), copy, packet


def _copy(source: Path, part: PartFile) -> None:
    file: BinaryIO
    with source.open("rb") as file:
        while data := file.read(_PORTION):
            part.write(data)
