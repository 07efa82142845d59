"""The calls of a client: which there are, and who hears of what."""

from __future__ import annotations

import asyncio
import secrets
import time as clock
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from kith.client.addresses import bare
from kith.client.answers import answer
from kith.client.calls import relays, xml
from kith.client.calls.call import Call
from kith.client.calls.values import RING_SECONDS, CallEnded, CallSettings, CallState
from kith.client.calls.xml import Signal
from kith.client.errors import LibraryMissing
from kith.client.events import CallChanged, CallRinging, Event
from kith.client.message import Trust
from kith.client.stanzas import leaf
from kith.client.stream import Stream

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack, RTCIceServer

    from kith.client.calls.fingerprints import Fingerprints
    from kith.client.calls.media import CallMedia

#: How many calls there may be at once; further ones are told that we are busy.
MOST_CALLS = 16
_REMEMBERED = 500
#: What the ids of messages begin with that propose a call: errors repeat nothing but the id.
_PROPOSE = "jm-propose-"
#: How often an account may let this device ring in ten minutes.
_MOST_PROPOSALS, _PROPOSALS_SECONDS = 20, 600.0


class Calls:
    """Places calls, and lets calls ring (`CallRinging` of `Client.events`).

    ``settings``: how calls are connected. Strangers do not ring: see `Client.accepted`.
    """

    def __init__(
        self,
        stream: Stream,
        fingerprints: Fingerprints,
        accepted: Callable[[str], bool],
        publish: Callable[[Event], None],
        takes: bool,
    ) -> None:
        """``takes``: calls ring here, and other devices learn that."""
        self.settings = CallSettings()
        self.own = str(stream.requested_jid.bare)
        self._stream = stream
        self._fingerprints = fingerprints
        self._may_ring = accepted
        self.caught_up = asyncio.Event()
        """Set when everything was read that came before now; `Lifecycle` puts the real one here."""
        self._publish = publish
        self._calls: dict[str, Call] = {}
        self._over: OrderedDict[str, None] = OrderedDict()
        self._proposals: dict[str, list[float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._able = find_spec("aiortc") is not None
        if self._able:
            for feature in xml.FEATURES if takes else ():
                stream.plugin["xep_0030"].add_feature(feature)
            path = MatchXPath(f"{{jabber:client}}iq/{{{xml.JINGLE}}}jingle")
            stream.register_handler(Callback("Kith call", path, self._on_request))

    # -- what the user does ----------------------------------------------------------------------------

    async def place(
        self,
        peer: str,
        audio: MediaStreamTrack | None = None,
        video: MediaStreamTrack | None = None,
    ) -> Call:
        """Calls somebody: all their devices ring. Returns at once; wait for `Call.connected`.

        ``audio``, ``video``: what to send once somebody has answered. Raises LibraryMissing, InvalidAddress,
        NotOnline, and CallEnded if there are too many calls.
        """
        if not self._able:
            raise LibraryMissing("Calls need aiortc. Install it with: pip install 'kith[calls]'")
        if len(self._calls) >= MOST_CALLS:
            raise CallEnded("busy")
        call = self._add(Call(self, secrets.token_hex(12), bare(peer), True, video is not None))
        call.send(audio, video)
        self.say(call.peer, Signal("propose", call.id, True, video is not None))
        call.end_in(RING_SECONDS, "timeout")
        return call

    def all(self) -> list[Call]:
        """The calls that have not ended."""
        return list(self._calls.values())

    async def close(self) -> None:
        """Ends all calls."""
        for call in self.all():
            await call.hang_up()
        for task in list(self._tasks):
            task.cancel()

    def _add(self, call: Call) -> Call:
        call.resource = str(self._stream.boundjid.resource)
        self._calls[call.id] = call
        return call

    # -- messages --------------------------------------------------------------------------------------

    def take(self, message: Element, peer: str, incoming: bool, at: datetime) -> None:
        """Handles a message about a call, live or from the archive. ``peer``: the other account."""
        signal = xml.parse_signal(message)
        if signal is None or not self._able:
            return
        if not incoming:
            self._from_own_device(signal, message.get("from", ""), message.get("to", ""))
        elif signal.name == "propose":
            self._proposed(signal, peer, message.get("from", ""), at)
        else:
            self._from_peer(signal, peer, message.get("from", ""))

    def failed(self, message: Element, peer: str) -> None:
        """A message came back: if it was a proposal, nobody rings."""
        call = self._calls.get(message.get("id", "").removeprefix(_PROPOSE))
        if call is not None and call.outgoing and call.peer == peer and call.state is CallState.PROPOSED:
            call.end("gone")

    def _proposed(self, signal: Signal, peer: str, device: str, at: datetime) -> None:
        age = (datetime.now(UTC) - at).total_seconds()
        known = signal.id in self._calls or signal.id in self._over
        if known or not signal.audio or age > RING_SECONDS or not self._may_ring(peer):
            return
        if not self._admits(peer):
            return
        glare = next(
            (
                one
                for one in self._calls.values()
                if one.peer == peer and one.outgoing and one.state in (CallState.PROPOSED, CallState.RINGING)
            ),
            None,
        )
        if glare is not None:
            self._both_called(glare, signal, device)
            return
        if len(self._calls) >= MOST_CALLS:
            self._remember(signal.id)
            self.say(peer, Signal("reject", signal.id, reason="busy"))
            return
        call = self._add(Call(self, signal.id, peer, False, signal.video))
        call.peer_device = device
        call.end_in(max(0.0, RING_SECONDS - age), "timeout")
        task = asyncio.ensure_future(self._ring(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ring(self, call: Call) -> None:
        """Rings once everything was read that came after the proposal: it may be over already."""
        await self.caught_up.wait()
        if call.state is CallState.RINGING:
            self.say(call.peer_device, Signal("ringing", call.id))
            self._publish(CallRinging(call))

    def _both_called(self, mine: Call, theirs: Signal, device: str) -> None:
        """Both sides have called: the lower id is the call, which its callee accepts at once (XEP-0353)."""
        if mine.id < theirs.id or (mine.id == theirs.id and self.own < mine.peer):
            self._remember(theirs.id)
            self.say(mine.peer, Signal("reject", theirs.id, reason="expired", tie_break=True))
            return
        self.say(mine.peer, Signal("retract", mine.id, reason="expired", tie_break=True))
        del self._calls[mine.id]
        self._remember(mine.id)
        mine.id, mine.outgoing, mine.peer_device = theirs.id, False, device
        self._calls[mine.id] = mine
        task = asyncio.ensure_future(mine.proceed())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _from_peer(self, signal: Signal, peer: str, device: str) -> None:
        call = self._calls.get(signal.id)
        if call is None or call.peer != peer:
            if signal.name == "retract":
                self._remember(signal.id)
            return
        early = call.state in (CallState.PROPOSED, CallState.RINGING)
        if call.outgoing and early:
            if signal.name == "ringing":
                call.set_state(CallState.RINGING)
            elif signal.name == "proceed":
                call.answered(device, signal.device)
            elif signal.name == "reject" and not signal.tie_break:
                call.end("busy" if signal.reason == "busy" else "decline")
        elif not call.outgoing and early:
            if signal.name in ("retract", "finish"):
                call.end("cancel")
        elif signal.name == "finish" and device == call.peer_device:
            call.end(signal.reason or "success")

    def _from_own_device(self, signal: Signal, device: str, to: str) -> None:
        """Another device of ours has answered, or rejected."""
        if device == str(self._stream.boundjid.full) or signal.name in ("propose", "ringing"):
            return
        call = self._calls.get(signal.id)
        if call is None:
            self._remember(signal.id)
        elif not call.outgoing and call.state is CallState.RINGING and bare(to) in (call.peer, self.own):
            call.end("elsewhere")

    def _admits(self, peer: str) -> bool:
        now = clock.monotonic()
        recent = [at for at in self._proposals.get(peer, ()) if now - at < _PROPOSALS_SECONDS]
        if len(recent) >= _MOST_PROPOSALS:
            return False
        if len(self._proposals) > 1000:
            self._proposals.clear()
        self._proposals[peer] = [*recent, now]
        return True

    def _remember(self, id: str) -> None:
        """So that what comes late does not let a call ring again."""
        self._over[id] = None
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)

    # -- requests --------------------------------------------------------------------------------------

    def _on_request(self, iq: Any) -> None:
        jingle = iq.xml.find(f"{{{xml.JINGLE}}}jingle")
        if iq["type"] != "set" or jingle is None:
            return
        call = self._calls.get(jingle.get("sid", ""))
        action = jingle.get("action", "")
        begun = call is not None and call.state in (CallState.ACCEPTED, CallState.CONNECTED)
        if call is None or not begun or iq.xml.get("from") != call.peer_device:
            self._refuse(iq, "item-not-found", "unknown-session")
        elif action in ("session-initiate", "session-accept", "session-terminate", "transport-info"):
            iq.reply().send()
            if action == "session-initiate":
                call.initiated(jingle)
            elif action == "session-accept":
                call.accepted(jingle)
            elif action == "transport-info":
                call.candidates(jingle)
            else:
                call.end(xml.parse_reason(jingle) or "success")
        elif action == "session-info" and not [one for one in jingle if not one.tag.startswith(_INFO)]:
            iq.reply().send()
        else:
            self._refuse(iq, "feature-not-implemented", "unsupported-info" if "info" in action else "")

    def _refuse(self, iq: Any, condition: str, detail: str = "") -> None:
        reply = iq.reply()
        reply["error"]["type"] = "cancel"
        reply["error"]["condition"] = condition
        if detail:
            reply["error"].xml.append(leaf(xml.JINGLE_ERRORS, detail))
        reply.send()

    # -- what calls need (`kith.client.calls.call.Line`) -----------------------------------------------

    def say(self, to: str, signal: Signal) -> None:
        """Sends a message about a call."""
        stanza: Any = self._stream.make_message(to, mtype="chat")
        if signal.name == "propose":
            stanza["id"] = _PROPOSE + signal.id
        for child in xml.signal_element(signal):
            stanza.append(child)
        stanza.send()

    async def ask(self, to: str, jingle: Element) -> None:
        """Sends a request. Raises Refused, and TimedOut."""
        iq: Any = self._stream.make_iq_set(ito=to)
        iq.append(jingle)
        await answer(iq.send(timeout=self._stream.timeout), "The call could not be connected")

    async def own_device(self) -> int:
        """The OMEMO id of this device."""
        return await self._fingerprints.device()

    async def seal(self, jingle: Element, peer: str, device: int) -> bool:
        """Encrypts the fingerprints for a device, if possible."""
        return await self._fingerprints.seal(jingle, peer, device)

    async def unseal(self, jingle: Element, peer: str, device: int) -> tuple[int, Trust]:
        """Decrypts the fingerprints. Raises BadFingerprint."""
        return await self._fingerprints.open(jingle, peer, device)

    async def media(self, call: Call) -> CallMedia:
        """A connection for a call, with new credentials for the relay."""
        from kith.client.calls.media import CallMedia

        return CallMedia(await self.relays(), self.settings.relay_only, call.media_state)

    async def relays(self) -> list[RTCIceServer]:
        """The relays, with new credentials."""
        return await relays.servers(self._stream, self.settings)

    def changed(self, call: Call) -> None:
        """The state of a call is another one."""
        if call.state is CallState.ENDED:
            self._calls.pop(call.id, None)
            self._remember(call.id)
        self._publish(CallChanged(call))


_INFO = f"{{{xml.RTP_INFO}}}"
