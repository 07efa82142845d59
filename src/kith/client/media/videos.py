"""Videos: length, a poster, and a copy without metadata. PyAV reads them; they are not encoded anew."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kith.client.media import pictures
from kith.client.media.placing import PartFile
from kith.client.media.prepared import Prepared, UnreadableMedia
from kith.client.media.sounds import milliseconds, opened
from kith.client.media.values import Media

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_PIXELS = 64_000_000


def prepare_video(path: Path, folder: Path, media: Media) -> Prepared:
    """Describes a video, and copies it without metadata if its format is MP4 or QuickTime.

    Cameras write there where they are. Raises UnreadableMedia, LibraryMissing, OSError.
    """
    import_av()
    import av

    try:
        with opened(path) as container:
            if not container.streams.video:
                raise UnreadableMedia("there is no picture in it")
            poster = _poster(container)
            duration = milliseconds(container)
            is_mp4 = "mp4" in container.format.name
        media = replace(
            pictures.described(poster, media), duration=duration, thumbnail=pictures.thumbnail(poster)
        )
        if not is_mp4:
            return Prepared(path, media, False)
        copy = _without_metadata(path, folder)
    except av.FFmpegError as error:
        raise UnreadableMedia(f"it can't be read ({error})") from None
    name = f"{Path(media.name).stem}.mp4"
    return Prepared(copy, replace(media, name=name, type="video/mp4"), True)


def import_av() -> None:
    """Raises LibraryMissing if PyAV is not there."""
    from kith.client.media.prepared import installed

    def load() -> None:
        import av  # noqa: F401

    installed(load, "PyAV")


def _poster(container: Any) -> Image:
    """The first frame, upright."""
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise UnreadableMedia("its codec is not known")
    if stream.codec_context.width * stream.codec_context.height > _MOST_PIXELS:
        raise UnreadableMedia("its picture is too large")
    frame = next(container.decode(stream), None)
    if frame is None:
        raise UnreadableMedia("there is no picture in it")
    picture: Image = frame.to_image()
    turn = int(frame.rotation) % 360
    return picture.rotate(turn, expand=True) if turn else picture


def _without_metadata(path: Path, folder: Path) -> Path:
    """A copy of the streams of picture and sound, that plays before all of it is there."""
    import av

    part = PartFile(folder)
    try:
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with opened(path) as source, av.open(str(part.part), "w", format="mp4", options=options) as output:
            chosen = [*source.streams.video[:1], *source.streams.audio[:1]]
            copies = {one.index: output.add_stream_from_template(one, opaque=True) for one in chosen}
            for one in copies.values():
                one.metadata.clear()
            for packet in source.demux(chosen):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    output.mux(packet)
        final = folder / secrets.token_hex(16)
        part.commit(final)
    except BaseException:
        part.discard()
        raise
    return final
