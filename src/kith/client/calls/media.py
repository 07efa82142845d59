"""The connection of one call: tracks, descriptions and candidates, by aiortc."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from xml.etree.ElementTree import Element

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaBlackhole
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from kith.client.calls import jingle
from kith.client.calls.jingle import Side, Unacceptable
from kith.client.calls.voice import Voice

#: A connection over which nothing has come for so many seconds is lost. While it lives, reports come all the
#: time, also when nobody speaks.
SILENCE_SECONDS = 20.0
#: How long closing may take: a relay that is gone does not answer.
_CLOSE_SECONDS = 3.0


class CallMedia:
    """Both sides' tracks. ``on_state`` gets aiortc's connection states: connected, failed, closed."""

    def __init__(
        self, servers: Sequence[RTCIceServer], relay_only: bool, on_state: Callable[[str], None]
    ) -> None:
        policy = RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL
        self._connection = RTCPeerConnection(RTCConfiguration(list(servers), policy))
        self._on_state = on_state
        self._tracks: dict[str, asyncio.Future[MediaStreamTrack]] = {
            kind: asyncio.get_running_loop().create_future() for kind in ("audio", "video")
        }
        self._unread: dict[str, MediaBlackhole] = {}
        self._working: list[asyncio.Future[None]] = []
        self._early: list[Element] = []
        self._described = False
        self._connection.add_listener("track", self._on_track)
        self._connection.add_listener("connectionstatechange", self._on_change)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if not (future := self._tracks[track.kind]).done():
            future.set_result(track)

    def _on_change(self) -> None:
        if self._connection.connectionState == "connected" and not self._working:
            self._working = [asyncio.ensure_future(one) for one in (self._drop_unread(), self._watch())]
        self._on_state(self._connection.connectionState)

    async def _watch(self) -> None:
        """Notices that the connection is lost, which the library does only after a minute."""
        came, since = 0, time.monotonic()
        while time.monotonic() - since < SILENCE_SECONDS:
            await asyncio.sleep(SILENCE_SECONDS / 8)
            stats = (await self._connection.getStats()).values()
            now = sum(one.bytesReceived for one in stats if one.type == "transport")
            if now != came:
                came, since = now, time.monotonic()
        self._on_state("failed")

    async def _drop_unread(self) -> None:
        """Reads what nobody wants to have, or it would fill the memory."""
        for kind, future in self._tracks.items():
            if future.done() and not future.cancelled() and kind not in self._unread:
                hole = self._unread[kind] = MediaBlackhole()
                hole.addTrack(future.result())
                await hole.start()

    async def track(self, kind: str) -> MediaStreamTrack:
        """The peer's track of a kind, when it is known. From then on the caller has to read it."""
        track = await asyncio.shield(self._tracks[kind])
        if (hole := self._unread.pop(kind, None)) is not None:
            await hole.stop()
            self._unread[kind] = MediaBlackhole()
        self._unread.setdefault(kind, MediaBlackhole())
        return track

    async def offer(self, audio: MediaStreamTrack | None, video: MediaStreamTrack | None) -> list[Element]:
        """The contents of ``session-initiate``, with all candidates."""
        self._add("audio", audio, always=True)
        self._add("video", video)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return jingle.contents(self._connection.localDescription.sdp, "initiator")

    async def answer(
        self, offer: Element, audio: MediaStreamTrack | None, video: MediaStreamTrack | None
    ) -> list[Element]:
        """The contents of ``session-accept`` for a ``session-initiate``. Raises Unacceptable."""
        await self._describe(offer, "offer", "initiator")
        kinds = {transceiver.kind for transceiver in self._connection.getTransceivers()}
        self._add("audio", audio if "audio" in kinds else None)
        self._add("video", video if "video" in kinds else None)
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return jingle.contents(self._connection.localDescription.sdp, "responder")

    async def accepted(self, answer: Element) -> None:
        """Takes a ``session-accept``. Raises Unacceptable."""
        await self._describe(answer, "answer", "responder")

    async def add_candidates(self, element: Element) -> None:
        """Takes the candidates of a ``transport-info``, which may come before the description."""
        if not self._described:
            if len(self._early) < 64:
                self._early.append(element)
            return
        for candidate in jingle.candidates(element):
            try:
                await self._connection.addIceCandidate(candidate)
            except ValueError as error:  # of a kind that the library does not know
                raise Unacceptable("candidate") from error

    async def _describe(self, element: Element, kind: str, sender: Side) -> None:
        sdp = jingle.to_sdp(element, sender)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        except Exception as error:  # the library raises many kinds, for whatever a peer may send
            raise Unacceptable(type(error).__name__) from error
        self._described = True
        early, self._early = self._early, []
        for one in early:
            await self.add_candidates(one)

    def _add(self, kind: str, track: MediaStreamTrack | None, always: bool = False) -> None:
        if track is not None:
            self._connection.addTrack(Voice(track) if kind == "audio" else track)
        elif always:
            self._connection.addTransceiver(kind, direction="recvonly")

    async def close(self) -> None:
        """Ends the connection; further calls do nothing."""
        for work in self._working:
            work.cancel()
        for hole in self._unread.values():
            await hole.stop()
        for future in self._tracks.values():
            future.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._connection.close()
