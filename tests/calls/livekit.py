"""A LiveKit server as a process of a test, and a member of a call by PyPI livekit (`make calls`)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import free_ports

KEY, SECRET = "kithkey", "kithsecretkithsecretkithsecretkithsecret"
_CONFIG = """
port: {port}
bind_addresses: ["127.0.0.1"]
rtc:
  udp_port: {udp}
  tcp_port: {tcp}
  use_external_ip: false
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
  interfaces:
    includes: [lo]
room:
  auto_create: false
keys:
  {key}: {secret}
logging: {{level: warn, json: false}}
"""


class LiveKitServer:
    """``url``: for apps, ``api_url``: for Kith."""

    def __init__(self, folder: Path) -> None:
        self._program = os.environ["LIVEKIT"]
        self.port, udp, tcp = free_ports(3)
        self.url, self.api_url = f"ws://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port}"
        self._config = folder / "livekit.yaml"
        self._config.write_text(_CONFIG.format(port=self.port, udp=udp, tcp=tcp, key=KEY, secret=SECRET))
        self._log = folder / "livekit.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "--config", str(self._config)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError(f"LiveKit did not start:\n{self._log.read_text()}")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)

    def log(self) -> str:
        return self._log.read_text()


def secret(identity: str) -> bytes:
    """The key of a sender."""
    return hashlib.sha256(f"key of {identity}".encode()).digest()


class Member:
    """Sends a picture and counts those that it can decode, by the identity of their sender."""

    def __init__(self, url: str, token: str, identity: str) -> None:
        from livekit import rtc
        from livekit.rtc._proto import e2ee_pb2

        self.identity = identity
        self.frames: Counter[str] = Counter()
        self.gone = asyncio.Event()
        self._url, self._token = url, token
        self.room: Any = rtc.Room()
        self._options = rtc.RoomOptions(
            auto_subscribe=True,
            encryption=rtc.E2EEOptions(
                key_provider_options=rtc.KeyProviderOptions(
                    shared_key=None,
                    ratchet_window_size=0,
                    failure_tolerance=-1,
                    key_derivation_function=e2ee_pb2.KeyDerivationFunction.HKDF,
                )
            ),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("disconnected", lambda *_: self.gone.set())

    def _subscribed(self, track: Any, publication: Any, participant: Any) -> None:
        self._tasks.append(asyncio.ensure_future(self._count(track, participant.identity)))

    async def _count(self, track: Any, identity: str) -> None:
        from livekit import rtc

        async for _ in rtc.VideoStream(track):
            self.frames[identity] += 1

    async def enter(self) -> None:
        await self.room.connect(self._url, self._token, self._options)
        self.knows(self.identity, secret(self.identity))
        self._tasks.append(asyncio.ensure_future(self._send()))

    def knows(self, identity: str, key: bytes) -> None:
        """Has the key of a sender."""
        self.room.e2ee_manager.key_provider.set_key(identity, key, 0)

    async def _send(self) -> None:
        from livekit import rtc

        source = rtc.VideoSource(320, 240)
        track = rtc.LocalVideoTrack.create_video_track("camera", source)
        await self.room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
        )
        number = 0
        while True:
            picture = np.full((240, 320, 4), number * 5 % 255, dtype=np.uint8)
            source.capture_frame(rtc.VideoFrame(320, 240, rtc.VideoBufferType.RGBA, picture.tobytes()))
            number += 1
            await asyncio.sleep(1 / 15)

    async def sees(self, identity: str, more: int = 10, timeout: float = 30) -> None:
        """Waits for so many more pictures of somebody."""
        wanted = self.frames[identity] + more
        async with asyncio.timeout(timeout):
            while self.frames[identity] < wanted:
                await asyncio.sleep(0.05)

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.room.disconnect()
