"""The web app's crypto under Node (`web/tests/driver/crypto.ts`), and OMEMO of the Python client."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import oldmemo
import oldmemo.etree
import omemo
from omemo.session_manager import BundleNotFound, SessionManager
from omemo.storage import Just, Maybe, Nothing, Storage
from omemo.types import TrustLevel

from kith.client import omemo_xml, sessions
from kith.client.linking import decoded, encoded
from tests.interop.node import NodeClient

NAMESPACE = oldmemo.oldmemo.NAMESPACE
_NS = f"{{{NAMESPACE}}}"


class WebPeer(NodeClient):
    """`do` calls the commands of `web/tests/driver/crypto.ts`."""

    async def latest_bundle(self, device: int) -> dict[str, Any]:
        """The one that it has published last; there has to be one."""
        published = self.seen("bundle")
        assert published, "the web app has published no bundle"
        assert published[-1]["device"] == device
        bundle: dict[str, Any] = published[-1]["bundle"]
        return bundle


@asynccontextmanager
async def web_peer(script: Path) -> AsyncIterator[WebPeer]:
    process = await asyncio.create_subprocess_exec(
        "node", str(script), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24
    )
    client = WebPeer(process)
    try:
        yield client
    finally:
        await client.close()


class Published:
    """What others can see of devices: lists and bundles, in the library's types."""

    def __init__(self) -> None:
        self.lists: dict[str, set[int]] = {}
        self.bundles: dict[tuple[str, int], omemo.Bundle] = {}

    def add(self, jid: str, device: int, wire: dict[str, Any]) -> None:
        """A bundle of the web app's."""
        bundle = Element(_NS + "bundle")
        signed = ElementTree.SubElement(bundle, _NS + "signedPreKeyPublic")
        signed.set("signedPreKeyId", str(wire["signed"]["id"]))
        signed.text = _b64(wire["signed"]["key"])
        ElementTree.SubElement(bundle, _NS + "signedPreKeySignature").text = _b64(wire["signed"]["signature"])
        ElementTree.SubElement(bundle, _NS + "identityKey").text = _b64(wire["identity"])
        prekeys = ElementTree.SubElement(bundle, _NS + "prekeys")
        for prekey in wire["prekeys"]:
            one = ElementTree.SubElement(prekeys, _NS + "preKeyPublic")
            one.set("preKeyId", str(prekey["id"]))
            one.text = _b64(prekey["key"])
        self.bundles[jid, device] = omemo_xml.parse_bundle(bundle, jid, device)
        self.lists.setdefault(jid, set()).add(device)

    def wire(self, jid: str) -> dict[int, dict[str, Any]]:
        """All bundles of an account, for the web app."""
        return {device: _wire_bundle(self.bundles[jid, device]) for device in self.lists[jid]}


class Memory(Storage):
    """Keys that end with the test."""

    def __init__(self) -> None:
        super().__init__(disable_cache=True)
        self._values: dict[str, Any] = {}

    async def _load(self, key: str) -> Maybe[Any]:
        return Just(self._values[key]) if key in self._values else Nothing()

    async def _store(self, key: str, value: Any) -> None:
        self._values[key] = value

    async def _delete(self, key: str) -> None:
        self._values.pop(key, None)


class PythonPeer:
    """A device with the library that the Python client uses."""

    def __init__(self, jid: str, published: Published) -> None:
        self.jid = jid
        self.published = published
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self._sessions: SessionManager | None = None

    @property
    def sessions(self) -> SessionManager:
        assert self._sessions is not None
        return self._sessions

    async def open(self) -> int:
        """Makes keys and publishes them. Returns the device's id."""
        peer, published = self, self.published

        class Manager(SessionManager):
            @staticmethod
            async def _upload_bundle(bundle: omemo.Bundle) -> None:
                published.bundles[bundle.bare_jid, bundle.device_id] = bundle

            @staticmethod
            async def _download_bundle(namespace: str, bare_jid: str, device_id: int) -> omemo.Bundle:
                if (bare_jid, device_id) not in published.bundles:
                    raise BundleNotFound
                return published.bundles[bare_jid, device_id]

            @staticmethod
            async def _delete_bundle(namespace: str, device_id: int) -> None:
                published.bundles.pop((peer.jid, device_id), None)

            @staticmethod
            async def _upload_device_list(namespace: str, device_list: Any) -> None:
                published.lists[peer.jid] = set(device_list)

            @staticmethod
            async def _download_device_list(namespace: str, bare_jid: str) -> Any:
                return dict.fromkeys(published.lists.get(bare_jid, set()))

            async def _evaluate_custom_trust_level(self, device: Any) -> TrustLevel:
                return TrustLevel.TRUSTED

            async def _make_trust_decision(self, undecided: Any, identifier: str | None) -> None:
                raise AssertionError("all are trusted")

            @staticmethod
            async def _send_message(message: omemo.Message, bare_jid: str) -> None:
                peer.sent.append((bare_jid, _wire_message(message)))

        storage = Memory()
        self._sessions = await Manager.create(
            [sessions.Sessions(storage)], storage, self.jid, None, "UNDECIDED"
        )
        await self.sessions.ensure_data_consistency()
        this, _ = await self.sessions.get_own_device_information()
        return this.device_id

    async def encrypt(self, to: str, text: str) -> dict[str, Any]:
        await self.sessions.refresh_device_list(NAMESPACE, to)
        messages, errors = await self.sessions.encrypt(frozenset({to}), {NAMESPACE: text.encode()})
        assert not errors, errors
        (message,) = messages
        return _wire_message(message)

    async def decrypt(self, sender: str, wire: dict[str, Any]) -> str | None:
        """None: keys alone."""
        element = omemo_xml.readable(_element(wire))
        message = await oldmemo.etree.parse_message(element, sender, self.jid, self.sessions)
        plain, _, _ = await self.sessions.decrypt(message)
        return None if plain is None else plain.decode()

    async def fingerprint(self) -> str:
        this, _ = await self.sessions.get_own_device_information()
        return "".join(SessionManager.format_identity_key(this.identity_key))


def _wire_bundle(bundle: omemo.Bundle) -> dict[str, Any]:
    element = oldmemo.etree.serialize_bundle(bundle)  # type: ignore[arg-type]
    signed = _child(element, "signedPreKeyPublic")
    return {
        "identity": _b64url(_child(element, "identityKey")),
        "signed": {
            "id": int(signed.get("signedPreKeyId", "")),
            "key": _b64url(signed),
            "signature": _b64url(_child(element, "signedPreKeySignature")),
        },
        "prekeys": [
            {"id": int(prekey.get("preKeyId", "")), "key": _b64url(prekey)}
            for prekey in element.iter(_NS + "preKeyPublic")
        ],
    }


def _wire_message(message: omemo.Message) -> dict[str, Any]:
    element = omemo_xml.serialize(message)
    header = _child(element, "header")
    payload = element.find(_NS + "payload")
    return {
        "sender": int(header.get("sid", "")),
        "iv": _b64url(_child(header, "iv")),
        "keys": [
            {"device": int(key.get("rid", "")), "prekey": key.get("prekey") == "true", "data": _b64url(key)}
            for key in header.iter(_NS + "key")
        ],
        "payload": None if payload is None else _b64url(payload),
    }


def _element(wire: dict[str, Any]) -> Element:
    encrypted = Element(_NS + "encrypted")
    header = ElementTree.SubElement(encrypted, _NS + "header", {"sid": str(wire["sender"])})
    for key in wire["keys"]:
        attributes = {"rid": str(key["device"])} | ({"prekey": "true"} if key["prekey"] else {})
        ElementTree.SubElement(header, _NS + "key", attributes).text = _b64(key["data"])
    ElementTree.SubElement(header, _NS + "iv").text = _b64(wire["iv"])
    if wire["payload"] is not None:
        ElementTree.SubElement(encrypted, _NS + "payload").text = _b64(wire["payload"])
    return encrypted


def _child(element: Element, name: str) -> Element:
    child = element.find(_NS + name)
    assert child is not None, name
    return child


def _b64(text: str) -> str:
    return b64encode(decoded(text)).decode()


def _b64url(element: Element) -> str:
    return encoded(b64decode(element.text or ""))
