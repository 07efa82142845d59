"""OMEMO of the web app and of the Python client's library: each reads what the other writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.web.peer import Published, PythonPeer, WebPeer, web_peer

ANNA = "anna@example.org"
BEN = "ben@example.org"
TEXTS = ("hello", "grüße 👩‍👩‍👧 \u200f", "x" * 50_000)


@dataclass
class Pair:
    """Anna's web app, and Ben's Python device."""

    web: WebPeer
    device: int
    python: PythonPeer
    published: Published

    async def to_python(self, text: str) -> str | None:
        return await self.python.decrypt(ANNA, await self.web.do("encrypt", BEN, text))

    async def to_web(self, text: str, id: str = "id") -> dict[str, Any]:
        opened = await self.web.do("decrypt", BEN, await self.python.encrypt(ANNA, text), id)
        await self.learn()
        return dict(opened)

    async def learn(self) -> None:
        """What one side publishes and sends, the other gets."""
        for bundle in self.web.seen("bundle"):
            self.published.add(ANNA, self.device, bundle["bundle"])
        await self.web.do("know", BEN, self.published.wire(BEN))
        for at, (to, wire) in enumerate(self.python.sent):
            assert to == ANNA
            opened = await self.web.do("decrypt", BEN, wire, f"keys {at}")
            assert opened["type"] in ("keys", "not-for-me")
        self.python.sent.clear()


@pytest.fixture
async def pair(peer_script: Path) -> AsyncIterator[Pair]:
    async with web_peer(peer_script) as web:
        published = Published()
        device = await web.do("start", ANNA)
        published.add(ANNA, device, await web.latest_bundle(device))
        python = PythonPeer(BEN, published)
        await python.open()
        pair = Pair(web, device, python, published)
        await pair.learn()
        yield pair


async def test_the_web_app_begins_and_each_reads_the_other(pair: Pair) -> None:
    for text in TEXTS:
        assert await pair.to_python(text) == text
        await pair.learn()
    for at, text in enumerate(TEXTS):
        assert (await pair.to_web(text, f"{at}"))["text"] == text
    for at in range(10):
        assert await pair.to_python(f"{at}") == f"{at}"
        assert (await pair.to_web(f"{at}", f"later {at}"))["text"] == f"{at}"
    assert not (await pair.web.do("encrypt", BEN, "x"))["keys"][0]["prekey"]


async def test_python_begins_and_each_reads_the_other(pair: Pair) -> None:
    for at, text in enumerate(TEXTS):
        opened = await pair.to_web(text, f"{at}")
        assert (opened["type"], opened["text"], opened["trusted"]) == ("text", text, True)
    for text in TEXTS:
        assert await pair.to_python(text) == text
    assert (await pair.to_web("on", "on"))["text"] == "on"


async def test_messages_in_disorder_are_read(pair: Pair) -> None:
    await pair.to_python("x")
    await pair.learn()
    written = [await pair.python.encrypt(ANNA, f"{at}") for at in range(20)]
    for at in reversed(range(20)):
        assert (await pair.web.do("decrypt", BEN, written[at], f"{at}"))["text"] == f"{at}"
    sent = [await pair.web.do("encrypt", BEN, f"{at}") for at in range(20)]
    for at in reversed(range(20)):
        assert await pair.python.decrypt(ANNA, sent[at]) == f"{at}"


async def test_a_session_that_the_web_app_has_lost_heals(pair: Pair) -> None:
    await pair.to_python("x")
    await pair.to_web("y", "y")
    await pair.web.do("forget")
    lost = await pair.to_web("lost", "lost")
    assert lost == {"type": "unreadable", "asked": True}
    keys = await pair.web.event("keys")
    assert await pair.python.decrypt(ANNA, keys["envelope"]) is None
    assert (await pair.web.event("ask"))["messageId"] == "lost"
    assert (await pair.to_web("next", "next"))["text"] == "next"
    assert await pair.to_python("and back") == "and back"


async def test_either_is_written_to_although_its_bundle_has_no_prekeys_left(pair: Pair) -> None:
    bundle = await pair.web.latest_bundle(pair.device)
    pair.published.add(ANNA, pair.device, bundle | {"prekeys": []})
    for at, text in enumerate(TEXTS):
        opened = await pair.to_web(text, f"without {at}")
        assert (opened["type"], opened["text"]) == ("text", text)
        assert await pair.to_python(text) == text


async def test_the_web_app_begins_with_a_bundle_that_has_no_prekeys(pair: Pair) -> None:
    wires = {device: wire | {"prekeys": []} for device, wire in pair.published.wire(BEN).items()}
    await pair.web.do("know", BEN, wires)
    for text in TEXTS:
        assert await pair.to_python(text) == text
    assert (await pair.to_web("and back", "back"))["text"] == "and back"


async def test_four_devices_of_which_one_is_away(pair: Pair) -> None:
    others = [PythonPeer(BEN, pair.published) for _ in range(3)]
    for other in others:
        await other.open()
    await pair.learn()
    wire = await pair.web.do("encrypt", BEN, "to all")
    assert len(wire["keys"]) == 4
    later = others.pop()
    for device in (pair.python, *others):
        assert await device.decrypt(ANNA, wire) == "to all"
    more = [await pair.web.do("encrypt", BEN, f"{at}") for at in range(30)]
    for at, message in enumerate([wire, *more]):
        assert await later.decrypt(ANNA, message) == ("to all" if at == 0 else f"{at - 1}")


async def test_both_show_the_same_fingerprint(pair: Pair) -> None:
    await pair.to_python("x")
    assert await pair.web.do("fingerprints", BEN) == [await pair.python.fingerprint()]
    (device,) = await pair.python.sessions.get_device_information(ANNA)
    own = await pair.web.do("fingerprints", ANNA)
    assert own == ["".join(pair.python.sessions.format_identity_key(device.identity_key))]
