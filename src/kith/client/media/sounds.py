"""Sounds: voice messages as Ogg/Opus with a waveform, and how long others are. PyAV reads and writes them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kith.client.errors import LibraryMissing
from kith.client.media.placing import PartFile
from kith.client.media.prepared import Prepared, UnreadableMedia
from kith.client.media.values import Media, MediaKind

if TYPE_CHECKING:
    from av.container import InputContainer

BARS: Final = 64
_RATE, _BITRATE = 48_000, 24_000
#: Containers that are read, by FFmpeg's names; others are rare, and their parsers are little tested.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,wav,mp3,flac,aac,amr,avi,mpegts,caf"
_LONGEST = 4 * 3600  # seconds of a voice message
_STEP = _RATE // 50  # samples for each measured level


def opened(path: Path) -> InputContainer:
    """The sound or video in a file. Raises UnreadableMedia, LibraryMissing."""
    try:
        import av
    except ImportError:
        raise LibraryMissing(
            "Sounds and videos need PyAV. Install it with: pip install 'kith[media]'"
        ) from None
    try:
        # No network, and no lists of further files: a file must not make this device read others.
        options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
        with open(path, "rb") as file:
            if file.read(7).startswith((b"#EXTM3U", b"ffconca", b"<?xml", b"<MPD")):
                raise UnreadableMedia("it is a list of other files")
        return av.open(str(path.resolve()), "r", options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise UnreadableMedia(f"it can't be read ({error})") from None


def milliseconds(container: InputContainer) -> int | None:
    """How long it is, as its header says."""
    return None if container.duration is None or container.duration < 0 else container.duration // 1000


def describe_sound(path: Path, media: Media) -> Media:
    """The description of a sound with its length. Raises UnreadableMedia, LibraryMissing."""
    with opened(path) as container:
        if not container.streams.audio:
            raise UnreadableMedia("there is no sound in it")
        return replace(media, duration=milliseconds(container))


def prepare_voice(path: Path, folder: Path) -> Prepared:
    """Makes a voice message of a recording of any format. Raises UnreadableMedia, LibraryMissing, OSError."""
    import_errors = _library()
    part = PartFile(folder)
    target, final = part.part, folder / secrets.token_hex(16)
    levels: list[int] = []
    samples = 0
    try:
        with opened(path) as source, import_errors.open(str(target), "w", format="ogg") as output:
            stream = output.add_stream("libopus", rate=_RATE, layout="mono")
            stream.bit_rate = _BITRATE
            for frame in _frames(source):
                samples += frame.samples
                levels += _levels(frame)
                if samples > _LONGEST * _RATE:
                    raise UnreadableMedia("it is too long for a voice message")
                frame.pts = None
                for packet in stream.encode(frame):
                    output.mux(packet)
            for packet in stream.encode(None):
                output.mux(packet)
        if not samples:
            raise UnreadableMedia("there is no sound in it")
        part.commit(final)
    except import_errors.FFmpegError as error:
        part.discard()
        raise UnreadableMedia(f"it can't be read ({error})") from None
    except BaseException:
        part.discard()
        raise
    name, length = f"{secrets.token_hex(4)}.oga", samples * 1000 // _RATE
    media = Media(MediaKind.VOICE, name, "audio/ogg", duration=length, waveform=waveform(levels))
    return Prepared(final, media, True)


def _library() -> Any:
    try:
        import av
    except ImportError:
        raise LibraryMissing("Voice messages need PyAV. Install it with: pip install 'kith[media]'") from None
    return av


def _frames(source: InputContainer) -> Iterator[Any]:
    """The sound in one channel, with the rate of Opus, 16 bits, in portions."""
    import av

    if not source.streams.audio:
        raise UnreadableMedia("there is no sound in it")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE, frame_size=_STEP)
    for frame in source.decode(source.streams.audio[0]):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _levels(frame: Any) -> list[int]:
    """The loudest sample of a portion."""
    samples = memoryview(bytes(frame.planes[0])[: frame.samples * 2]).cast("h")
    return [max((abs(sample) for sample in samples[::8]), default=0)]


def waveform(levels: list[int]) -> tuple[int, ...]:
    """64 bars of 0 to 31, the loudest of them 31; fewer if there are fewer levels."""
    bars = min(BARS, len(levels))
    parts = [levels[at * len(levels) // bars : (at + 1) * len(levels) // bars] for at in range(bars)]
    heights = [max(part, default=0) for part in parts]
    loudest = max(heights, default=0) or 1
    return tuple(round(height * 31 / loudest) for height in heights)
