"""The devices of an account, and the tokens by which they log in again (XEP-0388 §2.3, XEP-0484).

A token is never stored: it is derived from the server's secret, which is a file beside the database, and
from a random number, which is what the database holds. Who steals the database has no token.
"""

from __future__ import annotations

import hmac
import secrets
import time
import uuid
from base64 import urlsafe_b64encode

import msgspec

from kith.core.ports import Store

SPACE = "devices"
#: Where other processes leave what they revoked, for a running server to end its sessions.
REVOKED = "revoked"
#: Devices that an account may have; beyond, the one longest unused is forgotten.
MAX_DEVICES = 50
#: How long a token is good, in seconds, and when a younger one is given.
LIFETIME = 60 * 86400
ROTATE_AFTER = 7 * 86400
#: How exactly it is known when a device was last there, in seconds.
_PRECISION = 3600
_MAX_NAME = 100


class Token(msgspec.Struct, array_like=True):
    """``number`` is what the token is derived from; it works with one mechanism only (XEP-0484 §3.4)."""

    number: bytes
    mechanism: str
    made: float

    @property
    def expires(self) -> float:
        return self.made + LIFETIME


class Device(msgspec.Struct):
    """One installation of a client. ``current`` and ``new`` are its tokens (XEP-0484 §5.1)."""

    id: str
    software: str = ""
    name: str = ""
    created: float = 0.0
    used: float = 0.0
    current: Token | None = None
    new: Token | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Device).decode


def device_id(text: str) -> str:
    """A user agent's id in its usual form; an empty text if it is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def clean(text: str) -> str:
    """What a client calls itself, fit to be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:_MAX_NAME]).split())


class Devices:
    """Reads and writes devices. ``secret`` is the server's, 32 bytes or more."""

    def __init__(self, store: Store, secret: bytes) -> None:
        self._store = store
        self._secret = secret

    async def all(self, account: int) -> dict[str, Device]:
        """An account's devices by id, the longest unused first."""
        found = [_decode(document.value) for document in await self._store.documents(account, SPACE)]
        return {device.id: device for device in sorted(found, key=lambda device: device.used)}

    async def get(self, account: int, id: str) -> Device | None:
        return (await self.all(account)).get(id) if id else None

    async def seen(
        self, account: int, id: str, software: str, name: str, known: Device | None = None
    ) -> Device:
        """A device has logged in; ``known`` is what was read of it."""
        now = time.time()
        device = known or await self.get(account, id)
        if device is None:
            await self._make_room(account)
            device = Device(id, created=now)
        if (device.software, device.name) != (software, name) or now - device.used > _PRECISION:
            device.software, device.name, device.used = software, name, now
            await self._save(account, device)
        return device

    async def _make_room(self, account: int) -> None:
        devices = list(await self.all(account))
        for old in devices[: max(0, len(devices) + 1 - MAX_DEVICES)]:
            await self._store.remove(account, SPACE, old)

    async def _save(self, account: int, device: Device) -> None:
        await self._store.put(account, SPACE, device.id, _encode(device))

    async def issue(self, account: int, device: Device, mechanism: str) -> tuple[str, float]:
        """A token for the device, and when it expires. The one that it has stays until this is used."""
        device.new = Token(secrets.token_bytes(16), mechanism, time.time())
        await self._save(account, device)
        return self.derive(account, device.id, device.new), device.new.expires

    def derive(self, account: int, id: str, token: Token) -> str:
        """The token as the client has it."""
        label = b"\0".join((b"fast", str(account).encode(), id.encode(), token.mechanism.encode()))
        return urlsafe_b64encode(hmac.digest(self._secret, label + b"\0" + token.number, "sha256")).decode()

    async def used(self, account: int, device: Device, token: Token) -> None:
        """A login with the token succeeded: an older one ends (XEP-0484 §3.5)."""
        if token is device.new:
            device.current, device.new, device.used = token, None, time.time()
            await self._save(account, device)

    async def invalidate(self, account: int, device: Device) -> None:
        """The device has no token any more."""
        device.current = device.new = None
        await self._save(account, device)

    async def forget(self, account: int, id: str | None = None) -> list[str]:
        """Forgets one device, or all. Returns their ids."""
        gone = [device for device in await self.all(account) if id in (None, device)]
        for device in gone:
            await self._store.remove(account, SPACE, device)
        return gone

    async def revoke(self, account: int, jid: str, id: str | None = None) -> int:
        """From another process: a running server ends their sessions. Returns how many there were."""
        gone = await self.forget(account, id)
        for device in gone:
            await self._store.put(0, REVOKED, f"{jid} {device}", b"")
        return len(gone)

    async def revoked(self) -> list[tuple[str, str]]:
        """What was revoked since the last call: (bare address, device id)."""
        documents = await self._store.documents(0, REVOKED)
        for document in documents:
            await self._store.remove(0, REVOKED, document.key)
        return [(jid, id) for jid, _, id in (document.key.partition(" ") for document in documents)]
