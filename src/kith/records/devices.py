"""The devices of an account, and the tokens with which they log in (XEP-0388 §2.3, XEP-0484).

A token is derived from four things that are stored in different places: the server's secret, a file beside
the database; a random number in the database; the user-agent id that the client has chosen, which only the
client stores; and the account's password keys, so that a new password invalidates the token. Neither the
token nor the user-agent id is stored on the server, so nobody can derive a token from a copy of the database,
or even of the whole data folder. (A hash of the token would not suffice: the mechanism needs the token itself
to check a proof.)
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.ports.store import AccountRecord, Store
from kith.records.device import Changed, Device, Entry, Token, decode, encode
from kith.records.readable import readable

SPACE = "devices"
#: The space in which other processes note what they have revoked, so that a running server ends the sessions.
REVOKED = "revoked"
#: The key in that space that means a new password instead of a device.
PASSWORD = "*password"
#: The space that notes former devices. Their tokens are expired, not wrong (XEP-0484 §4.2).
GONE = "devices-gone"
#: The space that maps user agents to devices of app passwords: device ids, separated by commas.
APPS = "devices-apps"
#: How often a write is tried when other requests change the same record.
_MAX_WRITES = 5
#: How many former devices are noted for an account.
_MAX_GONE = 100
#: The maximum number of devices of an account. Beyond it, the least recently used one is revoked.
MAX_DEVICES = 50
#: The same for the devices of one app password.
MAX_APP_DEVICES = 10
#: How many recently removed devices are remembered, so that logins in progress fail.
_ENDED = 1000


class Devices:
    """Reads and writes devices.

    ``secret``: the server's; not needed to list and revoke. Arguments named ``agent`` are user-agent ids in
    the form of `agent_id`.
    """

    def __init__(
        self, store: Store, clock: Clock, randomness: Randomness, secret: Secret | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness
        secret = secret or Secret(b"")
        self._generation = secret.generation
        self._ids = secret.lasting("devices")
        self._keys = secret.keys("devices")
        self._void = secret.key("void tokens")
        self._ended: OrderedDict[tuple[int, str], None] = OrderedDict()

    def id(self, account: int, agent: str, credential: str = "") -> str:
        """The public id of a device: 16 hexadecimal digits; empty without a user agent.

        A device that logs in with an app password is not the same as one with the same user agent that does
        not. So somebody with an app password can't take another device's place, even if they know its agent
        id.
        """
        if not agent:
            return ""
        parts = (agent.encode(), credential.encode()) if credential else (agent.encode(),)
        return self._derive(self._ids, b"device", account, *parts).hex()[:16]

    def token(self, record: AccountRecord, agent: str, token: Token) -> str:
        """The text of a token, as the client has it; if the token is void, a text that nobody has."""
        keys = record.keys[min(record.keys)].stored_key if record.keys else b""  # the one that always stays
        parts = (agent.encode(), token.mechanism.encode(), keys, token.number)
        key = self._keys.get(token.generation, self._void)
        return urlsafe_b64encode(self._derive(key, b"token", record.id, *parts)).decode()

    def is_void(self, token: Token) -> bool:
        """Whether the secret that a token was made with has ended."""
        return token.generation not in self._keys

    def is_former(self, token: Token) -> bool:
        """Whether a token was made with a former secret, so that it should be replaced."""
        return token.generation != self._generation

    def _derive(self, key: bytes, purpose: bytes, account: int, *parts: bytes) -> bytes:
        fields = (purpose, str(account).encode(), *parts)
        message = b"".join([len(field).to_bytes(2, "big") + field for field in fields])
        return hmac.digest(key, message, "sha256")

    async def all(self, account: int) -> dict[str, Device]:
        """The devices of an account by id, the least recently used one first."""
        documents = await self._store.documents(account, SPACE)
        found = [device for _, device in readable(documents, decode, "device")]
        return {device.id: device for device in sorted(found, key=lambda device: device.used)}

    async def find(self, account: int, agent: str) -> Entry | None:
        """The device of a user agent, or None."""
        return await self._entry(account, self.id(account, agent))

    async def _entry(self, account: int, id: str) -> Entry | None:
        document = await self._store.document(account, SPACE, id)
        return Entry.of(account, document) if document is not None else None

    async def owner(self, bare: str, agent: str) -> tuple[AccountRecord | None, Entry | None]:
        """An account and the device of a user agent, with one query, which takes as long if they do not
        exist.
        """
        find = self._store.account_with
        record, document = await find(bare, SPACE, lambda account: self.id(account, agent))
        if record is None or document is None:
            return record, None
        return record, Entry.of(record.id, document)

    async def of_apps(self, account: int, agent: str) -> list[Entry]:
        """The devices of a user agent that have logged in with app passwords.

        This takes as long if nobody has the user agent, or the account does not exist.
        """
        document = await self._store.document(account, APPS, self.id(account, agent))
        ids = document.value.decode().split(",") if document is not None else ()
        found = [await self._entry(account, id) for id in ids]
        return [entry for entry in found if entry is not None]

    async def _note_app(self, account: int, device: Device, there: bool) -> None:
        """Notes whether a device of an app password exists, so that it can be found by its user agent."""
        for _ in range(_MAX_WRITES):
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
        """The device of a user agent. If it is new, others may be removed to make room for it.

        ``credential``: the id of the app password that it logs in with, if any.
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
        """Removes the least recently used devices, if there are too many. Returns the removed ones.

        Only devices of the same app password are removed, so that it can't push out others.
        """
        devices = [one for one in (await self.all(account)).values() if one.credential == credential]
        most = MAX_APP_DEVICES if credential else MAX_DEVICES
        gone = devices[: max(0, len(devices) + 1 - most)]
        for device in gone:
            await self._drop(account, device)
        return gone

    async def save(self, entry: Entry) -> None:
        """Writes a device if it was changed. Raises Changed if it was also changed elsewhere."""
        value = encode(entry.device)
        if value == entry.stored:
            return
        seq = await self._store.put_if(entry.account, SPACE, entry.device.id, value, entry.seq)
        if not seq:
            raise Changed
        entry.seq, entry.stored = seq, value

    def issue(self, record: AccountRecord, agent: str, device: Device, mechanism: str) -> tuple[str, float]:
        """Makes a token for a device. Returns it and when it expires.

        It is valid once the device is saved. The present token stays valid until the new one is used.
        """
        device.retire(device.new)
        number = self._randomness.bytes(16)
        device.new = Token(number, mechanism, self._clock.now(), generation=self._generation)
        return self.token(record, agent, device.new), device.new.expires

    async def get(self, account: int, id: str) -> Device | None:
        """A device by its id, or None."""
        document = await self._store.document(account, SPACE, id)
        return decode(document.value) if document is not None else None

    async def change(self, account: int, id: str, change: Callable[[Device], None]) -> Device | None:
        """Applies a change to a device. Returns the changed device; None if it does not exist."""
        while (document := await self._store.document(account, SPACE, id)) is not None:
            entry = Entry.of(account, document)
            change(entry.device)
            with suppress(Changed):
                await self.save(entry)
                return entry.device
        return None

    async def forget(self, account: int, id: str | None = None) -> list[Device]:
        """Removes one device, or all. Returns the removed ones."""
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
        """Whether a user agent had a token before, as a removed device or before the password was changed."""
        return await self._store.document(account, GONE, self.id(account, agent)) is not None

    def ends(self, account: int, id: str) -> None:
        """A device or an app password is about to be removed.

        Logins with it that are in progress will fail.
        """
        self._ended[account, id] = None
        if len(self._ended) > _ENDED:
            self._ended.popitem(last=False)

    def forget_ended(self) -> None:
        """Forgets removed devices, since another node may have seen them log in again."""
        self._ended.clear()

    def has_ended(self, account: int, id: str) -> bool:
        """Whether a device was removed a moment ago, so that a login with it must fail."""
        return (account, id) in self._ended

    async def revoke(self, account: int, jid: str, id: str | None = None) -> int:
        """Removes devices from another process.

        A running server ends their sessions. Returns their number.
        """
        gone = await self.forget(account, id)
        for device in gone:
            await self._store.put(0, REVOKED, f"{jid} {device.id}", encode(device))
        return len(gone)

    async def password_changed(self, account: int, jid: str) -> None:
        """Notes a new password from another process. A running server ends all sessions of the account."""
        await self.forget(account)
        await self._store.put(0, REVOKED, f"{jid} {PASSWORD}", b"")

    async def revoked(self) -> list[tuple[str, Device]]:
        """What other processes have revoked since the last call, as (bare address, device)."""
        found: list[tuple[str, Device]] = []
        for document in await self._store.documents(0, REVOKED):
            await self._store.remove(0, REVOKED, document.key)
            jid, _, id = document.key.partition(" ")
            try:
                found.append((jid, decode(document.value) if document.value else Device(id)))
            except msgspec.DecodeError:
                found.append((jid, Device(id)))  # its sessions end; the ids of its keys are lost
        return found
