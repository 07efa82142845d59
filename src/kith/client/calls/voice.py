"""Opus as a call needs it: 28 kbit/s, with forward error correction, silent in pauses.

aiortc encodes sound with 96 kbit/s in stereo, which a bad network does not carry.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any, Final

import av
from aiortc import MediaStreamTrack
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.packet import Packet

RATE: Final = 48_000
#: Samples of a packet: 20 ms.
FRAME: Final = 960
BITS_PER_SECOND: Final = 28_000


class Voice(MediaStreamTrack):
    """A track of encoded packets, of what another audio track says."""

    kind = "audio"

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self._source = source
        self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=FRAME)
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.format, codec.layout, codec.sample_rate = "s16", "mono", RATE
        codec.bit_rate = BITS_PER_SECOND
        codec.time_base = Fraction(1, RATE)
        codec.options = {"application": "voip", "fec": "1", "packet_loss": "10", "dtx": "1"}
        self._codec = codec
        self._packets: deque[Packet[Any]] = deque()
        self._at = 0

    async def recv(self) -> Packet[Any]:
        """The next packet. Raises MediaStreamError when the other track has ended."""
        while not self._packets:
            frame = await self._source.recv()
            assert isinstance(frame, AudioFrame)
            frame.pts = None
            for part in self._resampler.resample(frame):
                part.pts, part.time_base = self._at, Fraction(1, RATE)
                self._at += FRAME
                self._packets.extend(self._codec.encode(part))
        return self._packets.popleft()

    def stop(self) -> None:
        """Ends this track and the other one."""
        super().stop()
        self._source.stop()
