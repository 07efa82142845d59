"""The dialogs about encryption: comparing keys, and writing unencrypted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import App

from kith.client.client import Client
from kith.client.message import Fingerprint, Trust
from kith.client.tui import words
from kith.client.tui.fingerprints import Fingerprints
from kith.client.tui.screens import Question


async def compare_keys(app: App[Any], client: Client, peer: str) -> None:
    """Shows the keys of a peer until the dialog is closed. Raises NotOnline."""
    own = await client.fingerprints()
    others = await client.fingerprints(peer)

    async def decide(key: Fingerprint, trust: Trust) -> Sequence[Fingerprint]:
        if trust is Trust.VERIFIED:
            await client.verify(peer, key.text)
        elif trust is Trust.BLIND:
            await client.trust(peer, key.text)
        else:
            await client.distrust(peer, key.text)
        return await client.fingerprints(peer)

    await app.push_screen_wait(Fingerprints(words.name(client.chat(peer)), own[0], others, decide))


async def toggle_encryption(app: App[Any], client: Client, peer: str) -> None:
    """Turns a chat's encryption on, or off if the user confirms it."""
    chat = client.chat(peer)
    if chat.plain:
        client.set_plain(peer, False)
        return
    question = Question(
        "Write unencrypted from now on?",
        f"Whoever runs the servers between you and {words.name(chat)} can read your messages.",
        "Without encryption",
    )
    if await app.push_screen_wait(question):
        client.set_plain(peer, True)


async def offer_unencrypted(app: App[Any], client: Client, peer: str) -> bool:
    """The peer has no devices to encrypt for. Returns whether the user wants to send unencrypted."""
    question = Question(
        "Send this message unencrypted?",
        f"{words.name(client.chat(peer))} has no device that can read encrypted messages. Without "
        "encryption, the servers in between can read it. Or wait until they have logged in once, and try "
        "again with Ctrl+R. (Ctrl+O turns encryption off for the whole chat.)",
        "Send unencrypted",
        "Wait",
    )
    return await app.push_screen_wait(question)
