"""Dino (Debian's) calls the SDK and is called by it: `make calls` passes these tests.

Dino's ICE does not use loopback addresses, so this machine needs another one, of whatever network.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kith.client import CallRinging, CallState, Trust
from tests.calls.headless import Meter, Tone
from tests.client.conftest import event
from tests.conftest import running
from tests.federation.world import Authority
from tests.interop.chatting import make_contacts
from tests.interop.desktop import Desktop, world
from tests.interop.test_come_back import Public
from tests.interop.test_media import eventually, has_keys, pin_of, sdk
from tests.interop.windows import Dino, window

pytestmark = pytest.mark.skipif(os.environ.get("CALLS") != "long", reason="the long form: make calls")
_BUS = ("--session", "--dest", "im.dino.Dino", "--object-path", "/im/dino/Dino")
_RATE = 48_000
#: Places on the screen: a button, the first line of its menu, and in the window of a call.
_CALL, _AUDIO, _HANG_UP = (877, 28), (877, 70), (619, 667)


def _speech(file: Path) -> None:
    """Ten seconds of a sound like speech: a steady tone is filtered away as noise."""
    moments = np.arange(10 * _RATE) / _RATE
    voice = sum(np.sin(2 * np.pi * 140 * harmonic * moments) / harmonic for harmonic in range(1, 12))
    words = np.clip(np.sin(2 * np.pi * 2.3 * moments) + 0.4 * np.sin(2 * np.pi * 0.7 * moments), 0, 1)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes((voice * words * 9000).astype("<i2").tobytes())


async def _sound(screen: Desktop, folder: Path) -> None:
    """A loudspeaker that nobody hears, and a microphone into which somebody speaks."""
    _speech(folder / "talk.wav")
    screen.lend(folder / "talk.wav")
    await screen.start(
        "pulseaudio",
        *("-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=true"),
        "--load=module-null-sink sink_name=speaker",
        "--load=module-null-sink sink_name=mouth",
        "--load=module-remap-source master=mouth.monitor source_name=microphone",
        "--load=module-native-protocol-unix",
    )
    script = (
        "until pactl info; do sleep 0.1; done;"
        " pactl set-default-source microphone; pactl set-default-sink speaker;"
        " touch sound-ready; while paplay --device=mouth talk.wav; do :; done"
    )
    await screen.start("sh", "-c", script)
    await eventually(lambda: (screen.home / "sound-ready").exists())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def public(tmp_path: Path, authority: Authority) -> Iterator[Public]:
    """A server where Dino looks for it, with a certificate that it trusts."""
    certificate, key = authority.certificate("kith.test", names="kith.test")
    settings = {"certificate": str(certificate), "private_key": str(key), "stun_port": "0"}
    with running(tmp_path / "data", Public, **settings) as server:
        yield server


class Phone(Dino):
    """Dino with something to hear and to speak with."""

    async def open(self) -> None:
        await _sound(self.screen, self.screen.shots)
        await super().open()


async def _hears(screen: Desktop) -> None:
    """Waits until something loud comes out of the loudspeaker."""
    script = "exec parec --device=speaker.monitor --format=s16le --rate=48000 --channels=1 --raw > heard.raw"
    await screen.start("sh", "-c", script)
    heard = screen.home / "heard.raw"

    def loud() -> bool:
        samples = np.frombuffer(heard.read_bytes()[-2 * _RATE :][: 2 * (_RATE // 2)], dtype="<i2")
        return len(samples) > 1000 and int(np.abs(samples.astype(int)).max()) > 1000

    await eventually(loud)


async def _places_a_call(screen: Desktop) -> None:
    for _ in range(5):
        for place in (_CALL, _AUDIO):
            await screen.point(*place)
            await asyncio.sleep(1.5)  # nothing tells when the menu is there
        if await screen.do("see", role="frame", pattern="DinoUiCallWindow"):
            return
        await screen.press("Escape")
    raise AssertionError(f"the menu did not open: {await screen.picture('menu')}")


def _ids(screen: Desktop) -> tuple[int, int]:
    """Of the newest call in Dino, and of its only conversation; 0 if there is none."""
    path = screen.home / ".local/share/dino/dino.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        call = database.execute("SELECT max(id) FROM call").fetchone()[0] or 0
        conversation = database.execute("SELECT min(id) FROM conversation").fetchone()[0] or 0
    return conversation, call


async def test_dino_calls_and_is_called(public: Public, tmp_path: Path, authority: Authority) -> None:
    account, ben = public.add_user("dino"), public.add_user("ben")
    await make_contacts(public, account, ben)
    overlay = world(tmp_path / "world", public.domain, public.address, authority.file)
    (tmp_path / "shots").mkdir()
    async with (
        sdk(public, ben, tmp_path, pin=pin_of(public), calls=True) as client,
        window(Phone, tmp_path / "shots", overlay, public.address, account, ben) as dino,
    ):
        screen = dino.screen
        await has_keys(client, account)
        placed = await client.calls.place(account, Tone())
        await eventually(lambda: bool(_ids(screen)[1]))  # it does not say that it rings
        conversation, call = _ids(screen)
        action = f"[<({conversation}, {call})>]"
        await screen.start(
            "gdbus", "call", *_BUS, "--method", "org.gtk.Actions.Activate", "accept-call", action, "{}"
        )
        await placed.connected()
        await Meter(await placed.track("audio")).frames(30, loud=True)
        assert placed.trust is Trust.BLIND, "Dino encrypts the fingerprint, by a key that nobody has compared"
        await _hears(screen)
        await placed.hang_up()
        await screen.gone("frame", "DinoUiCallWindow")
        events = client.events()
        await _places_a_call(screen)
        ringing: CallRinging = await event(events, CallRinging)
        answered = await ringing.call.accept(Tone())
        assert (answered.state, answered.trust) == (CallState.CONNECTED, Trust.BLIND)
        await Meter(await answered.track("audio")).frames(30, loud=True)
        await _hears(screen)
        await screen.point(*_HANG_UP)
        assert await answered.ended() == "success"
