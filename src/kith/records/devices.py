"""The devices of an account, and the tokens by which they log in again (XEP-0388 §2.3, XEP-0484).

A token is derived from four things, each kept elsewhere: the server's secret, which is a file beside the
database; a random number, which is in the database; the id that the client has given itself, which only the
client has; and the account's password keys, so that a new password is the end of it. The token itself is
nowhere on the server, nor is the client's id: who copies the database, or even the whole data folder, has no
token. (A hash of the token could not be kept instead: the mechanism needs the token to check a proof.)
"""

from __future__ import annotations

import hmac
import re
import uuid
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.store import AccountRecord, Document, Store
from kith.records.readable import readable

SPACE = "devices"
#: Where other processes leave what they revoked, for a running server to end its sessions.
REVOKED = "revoked"
#: What stands there for a device's id when the account has a new password.
PASSWORD = "*password"
#: Where it is noted which devices there were: their tokens are expired, and not wrong (XEP-0484 §4.2).
GONE = "devices-gone"
#: Where the devices of app passwords are found by their agents: ids, separated by commas.
APPS = "devices-apps"
_RACES = 5
#: So many are noted for an account, and used-up tokens for a device.
_MAX_GONE = 100
_MAX_RETIRED = 4
#: Devices that an account may have; beyond, the one longest unused is revoked.
MAX_DEVICES = 50
#: Devices of one app password; beyond, the one of them that is longest unused is revoked.
MAX_APP_DEVICES = 10
#: How long a token is good, in seconds, and when a younger one is given.
LIFETIME = 60 * 86400
ROTATE_AFTER = 7 * 86400
#: How exactly it is known when a device was last there, in seconds.
_PRECISION = 3600
_MAX_NAME = 100
#: How many of the last that were forgotten are remembered, for logins under way.
_ENDED = 1000
_HANDHELD = re.compile(r"\b(android|ios|ipad|iphone|galaxy|pixel|\w*phone|tablet|mobile)\b", re.IGNORECASE)


class Token(msgspec.Struct, array_like=True):
    """``number`` is what the token is derived from; it works with one mechanism only (XEP-0484 §3.4).

    ``count`` is the last that the client has told, against replays of TLS early data.
    """

    number: bytes
    mechanism: str
    made: float
    count: int = 0

    @property
    def expires(self) -> float:
        return self.made + LIFETIME


class Device(msgspec.Struct):
    """One installation of a client. ``current`` and ``new`` are its tokens (XEP-0484 §5.1).

    ``name`` is what it calls itself, ``label`` what its owner calls it. ``credential``: the app password
    that it has logged in with, if it was one. ``omemo``: the ids of its keys (XEP-0384). ``retired``: tokens
    that were good once, the last at the end. ``alike``: what a device of an app password would be called if
    it had logged in without one.
    """

    id: str
    software: str = ""
    name: str = ""
    created: float = 0.0
    used: float = 0.0
    current: Token | None = None
    new: Token | None = None
    platform: str = ""
    label: str = ""
    credential: str = ""
    omemo: list[int] = []
    retired: list[Token] = []
    alike: str = ""

    def seen(self, software: str, name: str, now: float) -> None:
        """It has logged in, and may have said what it is."""
        self.software, self.name = software or self.software, name or self.name
        if now - self.used > _PRECISION:
            self.used = now

    def promote(self, token: Token) -> None:
        """A login with the token succeeded: an older one ends (XEP-0484 §3.5)."""
        if token is self.new:
            self.retire(self.current)
            self.current, self.new = token, None

    def retire(self, *tokens: Token | None) -> None:
        """These are good no more."""
        ended = [token for token in tokens if token is not None]
        self.retired = [*self.retired, *ended][-_MAX_RETIRED:]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Device).decode


class Changed(Exception):
    """A device was changed, or revoked, since it was read."""


@dataclass(slots=True)
class Entry:
    """A device as read: ``seq`` and ``stored`` are its document's; 0 and empty for a new one.

    ``gone``: those that were forgotten for it, whose sessions are still to be ended (`Revocation.forgotten`).
    """

    account: int
    device: Device
    seq: int = 0
    stored: bytes = b""
    gone: Sequence[Device] = ()

    @classmethod
    def of(cls, account: int, document: Document) -> Entry:
        return cls(account, _decode(document.value), document.seq, document.value)


def agent_id(text: str) -> str:
    """A user agent's id in its usual form; an empty text if it is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def clean(text: str) -> str:
    """What a client calls itself, fit to be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:_MAX_NAME]).split())


def handheld(*texts: str) -> bool:
    """Whether what a client calls itself and its device is the name of something with a battery."""
    return _HANDHELD.search(" ".join(texts)) is not None


class Devices:
    """Reads and writes devices. ``secret`` is the server's, 32 bytes or more.

    Whoever lists and revokes needs none. ``agent`` is what `agent_id` gives.
    """

    def __init__(self, store: Store, clock: Clock, randomness: Randomness, secret: bytes = b"") -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._secret = secret
        self._ended: OrderedDict[tuple[int, str], None] = OrderedDict()

    def id(self, account: int, agent: str, credential: str = "") -> str:
        """What a device is called where others see it: 16 hexadecimal digits; empty without an agent.

        One that logs in with an app password is another device than one with the same agent that does not:
        who has such a password, and knows the id of a device, can't take its place.
        """
        if not agent:
            return ""
        parts = (agent.encode(), credential.encode()) if credential else (agent.encode(),)
        return self._derive(b"device", account, *parts).hex()[:16]

    def token(self, record: AccountRecord, agent: str, token: Token) -> str:
        """The token as the client has it."""
        keys = record.keys[min(record.keys)].stored_key if record.keys else b""  # the one that always stays
        parts = (agent.encode(), token.mechanism.encode(), keys, token.number)
        return urlsafe_b64encode(self._derive(b"token", record.id, *parts)).decode()

    def _derive(self, purpose: bytes, account: int, *parts: bytes) -> bytes:
        fields = (purpose, str(account).encode(), *parts)
        message = b"".join([len(field).to_bytes(2, "big") + field for field in fields])
        return hmac.digest(self._secret, message, "sha256")

    async def all(self, account: int) -> dict[str, Device]:
        """An account's devices by id, the longest unused first."""
        documents = await self._store.documents(account, SPACE)
        found = [device for _, device in readable(documents, _decode, "device")]
        return {device.id: device for device in sorted(found, key=lambda device: device.used)}

    async def find(self, account: int, agent: str) -> Entry | None:
        """The device of an agent, or None."""
        return await self._entry(account, self.id(account, agent))

    async def _entry(self, account: int, id: str) -> Entry | None:
        document = await self._store.document(account, SPACE, id)
        return Entry.of(account, document) if document is not None else None

    async def owner(self, bare: str, agent: str) -> tuple[AccountRecord | None, Entry | None]:
        """An account and the device of an agent, in one look. One that does not exist takes as long."""
        find = self._store.account_with
        record, document = await find(bare, SPACE, lambda account: self.id(account, agent))
        if record is None or document is None:
            return record, None
        return record, Entry.of(record.id, document)

    async def of_apps(self, account: int, agent: str) -> list[Entry]:
        """The devices of an agent that have logged in with app passwords.

        For an agent that nobody has, or an account that does not exist, it takes as long as for others.
        """
        document = await self._store.document(account, APPS, self.id(account, agent))
        ids = document.value.decode().split(",") if document is not None else ()
        found = [await self._entry(account, id) for id in ids]
        return [entry for entry in found if entry is not None]

    async def _note_app(self, account: int, device: Device, there: bool) -> None:
        """That there is a device of an app password, or is no more, for who looks for it by its agent."""
        for _ in range(_RACES):
            document = await self._store.document(account, APPS, device.alike)
            ids = document.value.decode().split(",") if document is not None else []
            if (device.id in ids) is there:
                return
            ids = [*ids, device.id] if there else [id for id in ids if id != device.id]
            if not ids:
                await self._store.remove(account, APPS, device.alike)
                return
            value, seq = ",".join(ids).encode(), document.seq if document is not None else 0
            if await self._store.put_if(account, APPS, device.alike, value, seq):
                return

    async def enter(self, account: int, agent: str, credential: str = "") -> Entry:
        """The device of an agent: a new one if it was not there yet, for which others may have to go.

        ``credential``: the app password that it logs in with, if it is one.
        """
        id = self.id(account, agent, credential)
        entry = await self._entry(account, id)
        if entry is None and credential:
            older = await self.find(account, agent)  # from before devices belonged to their app passwords
            entry = older if older is not None and older.device.credential == credential else None
        if entry is None:
            self._ended.pop((account, id), None)
            gone = await self._make_room(account, credential)
            alike = self.id(account, agent) if credential else ""
            entry = Entry(account, Device(id, created=self._clock.now(), alike=alike), gone=gone)
            if credential:
                await self._note_app(account, entry.device, True)
        return entry

    async def _make_room(self, account: int, credential: str) -> Sequence[Device]:
        """Forgets the longest unused of that credential, if there are as many as there may be.

        Returns what they were. Devices of others stay: who has an app password pushes out nobody else's.
        """
        devices = [one for one in (await self.all(account)).values() if one.credential == credential]
        most = MAX_APP_DEVICES if credential else MAX_DEVICES
        gone = devices[: max(0, len(devices) + 1 - most)]
        for device in gone:
            await self._drop(account, device)
        return gone

    async def save(self, entry: Entry) -> None:
        """Writes a device if it is not as it was read. Raises Changed if somebody else has written."""
        value = _encode(entry.device)
        if value == entry.stored:
            return
        seq = await self._store.put_if(entry.account, SPACE, entry.device.id, value, entry.seq)
        if not seq:
            raise Changed
        entry.seq, entry.stored = seq, value

    def issue(self, record: AccountRecord, agent: str, device: Device, mechanism: str) -> tuple[str, float]:
        """A token for the device, and when it expires. The one that it has stays until this is used.

        It is good once the device is saved.
        """
        device.retire(device.new)
        device.new = Token(self._randomness.bytes(16), mechanism, self._clock.now())
        return self.token(record, agent, device.new), device.new.expires

    async def get(self, account: int, id: str) -> Device | None:
        """A device by its own id, or None."""
        document = await self._store.document(account, SPACE, id)
        return _decode(document.value) if document is not None else None

    async def change(self, account: int, id: str, change: Callable[[Device], None]) -> Device | None:
        """Changes a device as it is at the moment. Returns it as it is then; None if it is gone."""
        while (document := await self._store.document(account, SPACE, id)) is not None:
            entry = Entry.of(account, document)
            change(entry.device)
            with suppress(Changed):
                await self.save(entry)
                return entry.device
        return None

    async def forget(self, account: int, id: str | None = None) -> list[Device]:
        """Forgets one device, or all. Returns what they were."""
        gone = [device for device in (await self.all(account)).values() if id in (None, device.id)]
        for device in gone:
            await self._drop(account, device)
        return gone

    async def _drop(self, account: int, device: Device) -> None:
        self.ends(account, device.id)
        await self._store.remove(account, SPACE, device.id)
        if device.alike:
            await self._note_app(account, device, False)
        if device.current is None and device.new is None and not device.retired:
            return
        await self._store.put(account, GONE, device.alike or device.id, b"")
        noted = await self._store.documents(account, GONE)
        for document in noted[: max(0, len(noted) - _MAX_GONE)]:
            await self._store.remove(account, GONE, document.key)

    async def was_known(self, account: int, agent: str) -> bool:
        """Whether an agent has had a token as a device that is gone, or of a password that was changed."""
        return await self._store.document(account, GONE, self.id(account, agent)) is not None

    def ends(self, account: int, id: str) -> None:
        """A device, or an app password, is about to go: logins with it that are under way fail."""
        self._ended[account, id] = None
        if len(self._ended) > _ENDED:
            self._ended.popitem(last=False)

    def has_ended(self, account: int, id: str) -> bool:
        """Whether a device was forgotten a moment ago, and may be in the middle of a login."""
        return (account, id) in self._ended

    async def revoke(self, account: int, jid: str, id: str | None = None) -> int:
        """From another process: a running server ends their sessions. Returns how many there were."""
        gone = await self.forget(account, id)
        for device in gone:
            await self._store.put(0, REVOKED, f"{jid} {device.id}", _encode(device))
        return len(gone)

    async def password_changed(self, account: int, jid: str) -> None:
        """From another process: the account has a new password. A running server ends all its sessions."""
        await self.forget(account)
        await self._store.put(0, REVOKED, f"{jid} {PASSWORD}", b"")

    async def revoked(self) -> list[tuple[str, Device]]:
        """What was revoked since the last call, by bare address."""
        found: list[tuple[str, Device]] = []
        for document in await self._store.documents(0, REVOKED):
            await self._store.remove(0, REVOKED, document.key)
            jid, _, id = document.key.partition(" ")
            try:
                found.append((jid, _decode(document.value) if document.value else Device(id)))
            except msgspec.DecodeError:
                found.append((jid, Device(id)))  # its sessions end; the ids of its keys are lost
        return found
