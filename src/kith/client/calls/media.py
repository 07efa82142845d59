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
    RTCIceTransport,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaBlackhole
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from kith.client.calls import jingle
from kith.client.calls.jingle import Side, Unacceptable
from kith.client.calls.restarting import Restartable
from kith.client.calls.voice import Voice

#: A connection over which nothing has come for so many seconds is lost. While it lives, reports come all the
#: time, also when nobody speaks.
SILENCE_SECONDS = 20.0
#: After so many seconds of it, the device that has called looks for another way.
RESTART_SECONDS = 5.0
#: How long closing may take: a relay that is gone does not answer.
_CLOSE_SECONDS = 3.0


class CallMedia:
    """Both sides' tracks. ``on_state`` gets aiortc's connection states: connected, failed, closed."""

    def __init__(
        self, servers: Sequence[RTCIceServer], relay_only: bool, on_state: Callable[[str], None]
    ) -> None:
        policy = RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL
        self._connection = RTCPeerConnection(RTCConfiguration(list(servers), policy))
        self._servers, self._relay_only = list(servers), relay_only
        self._on_state = on_state
        self._transports: dict[str, Restartable] = {}
        self._restartable: dict[RTCIceTransport, Restartable] = {}
        self._restarting = asyncio.Lock()
        self.on_silence: Callable[[], None] = lambda: None
        """Called when nothing has come for a while, so that a restart may help."""
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
        came, since, asked = 0, time.monotonic(), False
        while time.monotonic() - since < SILENCE_SECONDS:
            if not asked and time.monotonic() - since > RESTART_SECONDS:
                asked = True
                self.on_silence()
            await asyncio.sleep(min(RESTART_SECONDS, SILENCE_SECONDS) / 4)
            stats = (await self._connection.getStats()).values()
            now = sum(one.bytesReceived for one in stats if one.type == "transport")
            if now != came:
                came, since, asked = now, time.monotonic(), False
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
        found = list(jingle.candidates(element))
        for name, ufrag, _ in jingle.credentials(element):
            transport = self._transports.get(name)
            if transport is not None and ufrag in ("", transport.remote_ufrag):
                await transport.add(one for one in found if one.sdpMid == name)

    # -- restarts ------------------------------------------------------------------------------------

    def is_restart(self, element: Element) -> bool:
        """Whether a ``transport-info`` begins a restart, or answers one."""
        return self._described and any(
            ufrag and pwd and name in self._transports and self._transports[name].remote_ufrag != ufrag
            for name, ufrag, pwd in jingle.credentials(element)
        )

    async def restart(self, servers: Sequence[RTCIceServer]) -> list[Element]:
        """New candidates for all transports: the contents of a ``transport-info``."""
        self._servers = list(servers)
        made = {
            transport: await transport.prepare(self._servers, self._relay_only)
            for transport in dict.fromkeys(self._transports.values())
        }
        return [jingle.transport_info(name, *made[one]) for name, one in self._transports.items()]

    async def restarted(self, element: Element, servers: Sequence[RTCIceServer]) -> list[Element]:
        """The other side has new candidates. Returns ours, if they are not those that it answers."""
        prepared = any(one.prepared for one in self._transports.values())
        return [] if prepared else await self.restart(servers)

    async def go_on(self, element: Element) -> None:
        """Connects over the new candidates of both sides."""
        found = list(jingle.candidates(element))
        work, seen = [], set()
        for name, ufrag, pwd in jingle.credentials(element):
            transport = self._transports.get(name)
            if transport is None or transport in seen or not ufrag or not pwd:
                continue
            seen.add(transport)
            work.append(transport.go_on(ufrag, pwd, [one for one in found if one.sdpMid == name]))
        async with self._restarting:
            await asyncio.gather(*work)

    async def _describe(self, element: Element, kind: str, sender: Side) -> None:
        sdp = jingle.to_sdp(element, sender)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        except Exception as error:  # the library raises many kinds, for whatever a peer may send
            raise Unacceptable(type(error).__name__) from error
        self._described = True
        made: dict[RTCIceTransport, Restartable] = {}
        for transceiver in self._connection.getTransceivers():
            ice = transceiver.receiver.transport.transport
            made.setdefault(ice, self._restartable.get(ice) or Restartable(ice))
            self._transports[transceiver.mid or ""] = made[ice]
        self._restartable = made
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
                await asyncio.gather(*(one.close() for one in self._restartable.values()))
                await self._connection.close()
