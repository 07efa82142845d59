"""One call: what its user does, and what the peer's device says."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from xml.etree.ElementTree import Element

from kith.client.calls import xml
from kith.client.calls.values import CallEnded, CallState
from kith.client.calls.xml import Signal
from kith.client.errors import NotOnline, Refused
from kith.client.message import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiortc import MediaStreamTrack, RTCIceServer

    from kith.client.calls.media import CallMedia

_log = logging.getLogger(__name__)
#: After so many seconds without a connection, an answered call is given up.
CONNECT_SECONDS = 45.0
#: The other device has closed the connection: so long after that, the message that says why has to be there.
FAREWELL_SECONDS = 3.0


class Line(Protocol):
    """What a call needs of its client (`kith.client.calls.calls.Calls`)."""

    def say(self, to: str, signal: Signal) -> None:
        """Sends a message about a call."""

    async def ask(self, to: str, jingle: Element) -> None:
        """Sends a request. Raises Refused, and TimedOut."""

    async def own_device(self) -> int:
        """The OMEMO id of this device."""

    async def seal(self, jingle: Element, peer: str, device: int) -> bool:
        """Encrypts the fingerprints for a device, if possible."""

    async def unseal(self, jingle: Element, peer: str, device: int) -> tuple[int, Trust]:
        """Decrypts the fingerprints. Raises BadFingerprint."""

    async def media(self, call: Call) -> CallMedia:
        """A connection for a call, with new credentials for the relay."""

    async def relays(self) -> Sequence[RTCIceServer]:
        """The relays, with new credentials."""

    def changed(self, call: Call) -> None:
        """The state of a call is another one."""

    @property
    def own(self) -> str:
        """Our bare address."""


class Call:
    """A call with one person.

    ``peer``: their bare address. ``outgoing``: we have called. ``wants_video``: the caller wants to send
    pictures. ``trust``: how far the device is trusted whose key the media are bound to: VERIFIED if its
    fingerprint was compared, PLAIN if servers could listen, since the app of the peer does not bind them.
    ``reason``: why the call has ended (`CallEnded`).
    """

    def __init__(self, line: Line, id: str, peer: str, outgoing: bool, wants_video: bool) -> None:
        self.id = id
        self.peer = peer
        self.outgoing = outgoing
        self.wants_video = wants_video
        self.state = CallState.PROPOSED if outgoing else CallState.RINGING
        self.trust = Trust.PLAIN
        self.reason = ""
        self.peer_device = ""
        """The full address of the device that takes part; empty if it is not known yet."""
        self._key = 0
        """The OMEMO id of that device; 0: unknown."""
        self._line = line
        self._audio: MediaStreamTrack | None = None
        self._video: MediaStreamTrack | None = None
        self._media: CallMedia | None = None
        self._offered = asyncio.Event()
        self._over = asyncio.Event()
        self._connected = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what the user does ----------------------------------------------------------------------------

    async def accept(
        self, audio: MediaStreamTrack | None = None, video: MediaStreamTrack | None = None
    ) -> Call:
        """Answers a call, and returns it when it is connected, or has ended: see `state`.

        ``audio``, ``video``: what to send. Without one, only the peer sends. A call that does not ring any
        more stays as it is.
        """
        if self.state is CallState.RINGING and not self.outgoing:
            self._audio, self._video = audio, video
            await self.proceed()
            with suppress(CallEnded):
                await self.connected()
        return self

    def reject(self) -> None:
        """Does not answer. All devices of both sides stop ringing."""
        if self.state is CallState.RINGING and not self.outgoing:
            self._line.say(self.peer, Signal("reject", self.id, reason="decline"))
            self.end("decline")

    async def hang_up(self) -> None:
        """Ends the call, whatever its state."""
        if self.state is CallState.ENDED:
            return
        if self.outgoing and self.state in (CallState.PROPOSED, CallState.RINGING):
            self._line.say(self.peer, Signal("retract", self.id, reason="cancel"))
            self.end("cancel")
        elif self.state is CallState.RINGING:
            self.reject()
        else:
            await self.terminate("success")
        await self.closed()

    async def connected(self) -> Call:
        """Waits until sound can be sent. Raises CallEnded."""
        await self._first(self._connected)
        return self

    async def track(self, kind: str) -> MediaStreamTrack:
        """What the peer sends; ``kind``: audio or video. Waits for it. Raises CallEnded.

        Who has asked for a track has to read it; what nobody asks for is dropped.
        """
        await self._first(self._offered)
        if self._media is None:
            raise CallEnded(self.reason)
        media = self._media
        try:
            return await media.track(kind)
        except asyncio.CancelledError:
            if self.state is CallState.ENDED:
                raise CallEnded(self.reason) from None
            raise

    async def ended(self) -> str:
        """Waits for the end. Returns the reason."""
        await self._over.wait()
        return self.reason

    async def closed(self) -> None:
        """Waits until the call has ended and its sockets are closed."""
        await self._over.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _first(self, event: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(one.wait()) for one in (event, self._over)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._over.is_set():
            raise CallEnded(self.reason)

    # -- what happens (called by `Calls`) --------------------------------------------------------------

    def send(self, audio: MediaStreamTrack | None, video: MediaStreamTrack | None) -> None:
        """Sets what is sent once the call is answered."""
        self._audio, self._video = audio, video

    def end_in(self, seconds: float, reason: str) -> None:
        """Ends the call after some time, unless it comes further."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._give_up, reason)

    def _give_up(self, reason: str) -> None:
        if self.state in (CallState.PROPOSED, CallState.RINGING):
            if self.outgoing:
                self._line.say(self.peer, Signal("retract", self.id, reason=reason))
            self.end(reason)
        elif self.state is CallState.ACCEPTED:
            self.spawn_terminate(reason)

    def set_state(self, state: CallState) -> None:
        """Moves the call on, and tells the client."""
        if self.state not in (state, CallState.ENDED):
            self.state = state
            self._line.changed(self)

    async def proceed(self) -> None:
        """Tells the caller's device, and our own others, that this device has answered."""
        self.end_in(CONNECT_SECONDS, "connectivity-error")
        self.set_state(CallState.ACCEPTED)
        device = await self._line.own_device()
        self._line.say(self._line.own, Signal("accept", self.id))
        self._line.say(self.peer_device, Signal("proceed", self.id, device=device))

    def answered(self, device: str, key: int) -> None:
        """A device of the callee has answered our call: begins the session with it."""
        self.peer_device, self._key = device, key
        self.end_in(CONNECT_SECONDS, "connectivity-error")
        self.set_state(CallState.ACCEPTED)
        self._run(self._initiate())

    async def _initiate(self) -> None:
        media = await self._open()
        contents = await media.offer(self._audio, self._video)
        await self._ask("session-initiate", contents, initiator=f"{self._line.own}/{self.resource}")

    resource = ""
    """Of this device, which `Calls` sets."""

    async def _ask(self, action: str, contents: list[Element], **who: str) -> None:
        request = xml.request(action, self.id, *contents, **who)
        await self._line.seal(request, self.peer, self._key)
        await self._line.ask(self.peer_device, request)

    async def _open(self) -> CallMedia:
        media = self._media = await self._line.media(self)
        if self.outgoing:  # one side alone, or both would restart at once
            media.on_silence = lambda: self._run(self._restart(media))
        if self.state is CallState.ENDED:
            await self._media.close()
            raise CallEnded(self.reason)
        return self._media

    def initiated(self, jingle: Element) -> None:
        """The caller's device begins the session."""
        if self.outgoing or self._media is not None or self.state is not CallState.ACCEPTED:
            self.spawn_terminate("general-error")
            return
        self._run(self._respond(jingle))

    async def _respond(self, jingle: Element) -> None:
        self._key, self.trust = await self._line.unseal(jingle, self.peer, 0)
        media = await self._open()
        contents = await media.answer(jingle, self._audio, self._video)
        self._offered.set()
        await self._ask("session-accept", contents, responder=f"{self._line.own}/{self.resource}")

    def accepted(self, jingle: Element) -> None:
        """The callee's device has accepted the session."""
        if self.outgoing and self._media is not None and not self._offered.is_set():
            self._run(self._accepted(self._media, jingle))

    async def _accepted(self, media: CallMedia, jingle: Element) -> None:
        _, self.trust = await self._line.unseal(jingle, self.peer, self._key)
        await media.accepted(jingle)
        self._offered.set()

    def candidates(self, jingle: Element) -> None:
        """The other device has further candidates."""
        if self._media is not None:
            self._run(self._candidates(self._media, jingle))

    async def _candidates(self, media: CallMedia, jingle: Element) -> None:
        if not media.is_restart(jingle):
            await media.add_candidates(jingle)
            return
        ours = await media.restarted(jingle, await self._line.relays())
        if ours:
            await self._line.ask(self.peer_device, xml.request("transport-info", self.id, *ours))
        await media.go_on(jingle)

    async def _restart(self, media: CallMedia) -> None:
        """Looks for another way, after the address of one side has changed."""
        with suppress(NotOnline, Refused):  # what there is stays as it is
            contents = await media.restart(await self._line.relays())
            await self._line.ask(self.peer_device, xml.request("transport-info", self.id, *contents))

    def media_state(self, state: str) -> None:
        """The connection has another state."""
        if state == "connected":
            if self._timer is not None:
                self._timer.cancel()
            self.set_state(CallState.CONNECTED)
            self._connected.set()
        elif state == "failed":
            self.spawn_terminate("connectivity-error")
        elif state == "closed" and self.state is not CallState.ENDED:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FAREWELL_SECONDS, self.spawn_terminate, "connectivity-error")

    def spawn_terminate(self, reason: str) -> None:
        """Ends a session, without waiting for the other device."""
        if self.state is not CallState.ENDED:
            self._tasks.add(task := asyncio.ensure_future(self.terminate(reason)))
            task.add_done_callback(self._tasks.discard)

    async def terminate(self, reason: str) -> None:
        """Ends a session that was answered, and tells the other device and all others why."""
        if self.state is CallState.ENDED:
            return
        self.end(reason)
        if self.peer_device:
            self._line.say(self.peer, Signal("finish", self.id, reason=reason))
            with suppress(Exception):  # it may be gone, or have ended the session itself
                await self._line.ask(
                    self.peer_device,
                    xml.request("session-terminate", self.id, xml.reason_element(reason)),
                )

    def end(self, reason: str) -> None:
        """The call is over. Nothing is sent."""
        if self.state is CallState.ENDED:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.reason = reason
        self.set_state(CallState.ENDED)
        self._over.set()
        if self._media is not None:
            task = asyncio.ensure_future(self._media.close())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _run(self, work: object) -> None:
        task = asyncio.ensure_future(self._guarded(work))  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: asyncio.Future[None]) -> None:
        from kith.client.calls.fingerprints import BadFingerprint
        from kith.client.calls.jingle import Unacceptable

        try:
            await work
        except CallEnded:
            pass
        except BadFingerprint:
            await self.terminate("security-error")
        except Unacceptable as error:
            _log.info("a description of a call can't be used: %s", error)
            await self.terminate("failed-application")
        except Refused:
            self.end("gone")
        except Exception as error:  # nothing of the description may go to a log
            _log.warning("a call has failed: %s", type(error).__name__)
            await self.terminate("general-error")
