"""A headless peer: sound and pictures that a test makes, and how many frames of the other side arrive.

call = await client.calls.place(peer, Tone(), Picture())
heard = Meter(await call.track("audio"))
await heard.frames(20)
"""

from __future__ import annotations

import asyncio
import fractions
import time
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

RATE, SAMPLES = 48_000, 960


class Tone(MediaStreamTrack):
    """A tone that swells and fades like speech: a steady one is taken for noise by some apps."""

    kind = "audio"

    def __init__(self, hertz: float = 440.0) -> None:
        super().__init__()
        self._hertz = hertz
        self._at = 0
        self._begin = 0.0

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._begin = self._begin or time.monotonic()
        await asyncio.sleep(max(0.0, self._begin + self._at / RATE - time.monotonic()))
        moments = (self._at + np.arange(SAMPLES)) / RATE
        loud = 9000 * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * moments))
        samples = (loud * np.sin(2 * np.pi * self._hertz * moments)).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += SAMPLES
        return frame


class Picture(MediaStreamTrack):
    """A moving picture, 15 times a second."""

    kind = "video"

    def __init__(self, width: int = 320, height: int = 240) -> None:
        super().__init__()
        self._size = width, height
        self._at = 0
        self._begin = 0.0

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._begin = self._begin or time.monotonic()
        await asyncio.sleep(max(0.0, self._begin + self._at / 15 - time.monotonic()))
        width, height = self._size
        image = np.full((height, width, 3), (self._at * 5) % 255, dtype=np.uint8)
        frame = VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self._at * 6000, fractions.Fraction(1, 90_000)
        self._at += 1
        return frame


class Meter:
    """Reads a track. ``count``: frames so far. ``loudest``: the peak of the last audio frame, 0 to 32767."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self.count = 0
        self.loud = 0
        self.loudest = 0
        self._news = asyncio.Event()
        self._task = asyncio.ensure_future(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame: Any = await track.recv()
            except MediaStreamError:
                return
            self.count += 1
            if isinstance(frame, AudioFrame):
                self.loudest = int(np.abs(frame.to_ndarray()).max())
                self.loud += self.loudest > 1000
            self._news.set()

    async def frames(self, more: int, timeout: float = 30.0, loud: bool = False) -> None:
        """Waits until so many more frames have come; ``loud``: only those with a sound count."""
        wanted = (self.loud if loud else self.count) + more
        async with asyncio.timeout(timeout):
            while (self.loud if loud else self.count) < wanted:
                self._news.clear()
                await self._news.wait()
