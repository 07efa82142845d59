"""People who call each other in Chromium, with its own camera and microphone, and what they hear and see."""

from __future__ import annotations

import json
from typing import Any

from tests.web.device import until
from tests.web.person import Someone

#: Allowed to use what the browser makes up: a beep each second, and a picture that moves.
DEVICES = {"permissions": ["microphone", "camera"]}
ARGUMENTS = ("--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required")

#: Keeps each connection, so that a test can count what arrives at it.
KEEP = """(() => {
  const Native = window.RTCPeerConnection
  window.connections = []
  window.RTCPeerConnection = class extends Native {
    constructor(...given) { super(...given); window.connections.push(this) }
  }
})()"""

#: What arrives at the newest connection, and over which kind of candidates.
RECEIVED = """(async () => {
  const pc = window.connections.at(-1)
  const found = { state: pc?.connectionState, frames: 0, energy: 0, packets: 0 }
  if (!pc) return found
  const all = await pc.getStats()
  all.forEach((one) => {
    if (one.type === 'inbound-rtp' && one.kind === 'video') found.frames = one.framesDecoded
    if (one.type === 'inbound-rtp' && one.kind === 'audio') {
      found.energy = one.totalAudioEnergy
      found.packets = one.packetsReceived
    }
    if (one.type === 'candidate-pair' && one.nominated && one.state === 'succeeded') {
      found.local = all.get(one.localCandidateId)?.candidateType
      found.remote = all.get(one.remoteCandidateId)?.candidateType
    }
  })
  return found
})()"""


#: Which transport the newest connection has.
UFRAG = "/a=ice-ufrag:(\\S+)/.exec(window.connections.at(-1).currentLocalDescription.sdp)[1]"


async def prepare(*everybody: Someone) -> None:
    """Before the page is loaded."""
    for person in everybody:
        await person.do("page", "addInitScript", KEEP)
        await person.do("page", "reload")
        await person.shows(".home")


async def received(person: Someone) -> dict[str, Any]:
    found: dict[str, Any] = await person.evaluate(RECEIVED)
    return found


async def hears(person: Someone) -> None:
    """Waits until a sound arrives that is more than silence, and goes on."""
    before = await received(person)

    async def more() -> bool:
        now = await received(person)
        return bool(
            now["energy"] > before["energy"] + 1e-6
            and now["packets"] > before["packets"]
            and now["state"] == "connected"
        )

    await until(more)


async def sees(person: Someone) -> None:
    """Waits until pictures are decoded, and goes on."""
    before = (await received(person))["frames"]

    async def more() -> bool:
        return bool((await received(person))["frames"] > before + 3)

    await until(more)


async def call(caller: Someone, video: bool = False) -> None:
    """From the chat that is open."""
    await caller.press("Video call" if video else "Voice call")


async def click(person: Someone, label: str) -> None:
    """At once, without looking whether something is in the way."""
    await person.evaluate(f"document.querySelector('[aria-label={json.dumps(label)}]').click()")


async def answer(person: Someone, video: bool = False) -> None:
    await person.press("Accept with video" if video else "Accept")


async def connected(*everybody: Someone) -> None:
    for person in everybody:
        await person.shows(".call .time")


async def hang_up(person: Someone) -> None:
    await person.press("End call")


async def over(*everybody: Someone) -> None:
    for person in everybody:
        await person.hides(".call")


async def entry(person: Someone, text: str) -> None:
    """Waits until the last call in the conversation is told so."""
    await person.shows(f".entry .text:has-text({json.dumps(text)})")
