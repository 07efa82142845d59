"""Which keys were seen, how much they are trusted, and what happens with new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kith.client.database import Database
from kith.client.message import Fingerprint, Trust
from kith.client.policies import TrustPolicy

#: slixmpp-omemo's names of trust levels, and ours.
LEVELS = {
    "TRUSTED": Trust.VERIFIED,
    "BLINDLY_TRUSTED": Trust.BLIND,
    "UNDECIDED": Trust.UNDECIDED,
    "DISTRUSTED": Trust.DISTRUSTED,
}
NAMES = {level: name for name, level in LEVELS.items()}


def level(device: Any) -> Trust:
    """The trust level of an `omemo.DeviceInformation`."""
    return LEVELS[device.trust_level_name]


def fingerprint(device: Any) -> Fingerprint:
    """The identity key of an `omemo.DeviceInformation`, in the form that other clients show (Curve25519)."""
    from omemo.session_manager import SessionManager

    text = "".join(SessionManager.format_identity_key(device.identity_key))
    active = any(on for _, on in device.active)
    return Fingerprint(device.bare_jid, text, device.device_id, level(device), active)


class KnownKeys:
    """Remembers the keys of each peer, decides about new ones, and warns of keys that were added later.

    It also ends that a chat is not encrypted because the peer has no keys, once there are some.
    """

    __slots__ = ("_db", "_encrypted_again", "_policy", "warn")

    def __init__(
        self,
        database: Database,
        policy: TrustPolicy,
        warn: Callable[[str, str, bool], None],
        encrypted_again: Callable[[str], None],
    ) -> None:
        """``warn(peer, fingerprint, trusted)`` is called if a peer that we know has a new key.

        ``encrypted_again(peer)`` is called if a chat is encrypted from now on, since the peer has keys now.
        """
        self._encrypted_again = encrypted_again
        self._db = database
        self._policy = policy
        self.warn = warn

    def decide(self, devices: Iterable[Any]) -> dict[bytes, Trust]:
        """New trust levels for undecided identity keys, given all devices of one peer."""
        devices = list(devices)
        keys = [fingerprint(device) for device in devices]
        decisions: dict[bytes, Trust] = {}
        for device, key in zip(devices, keys, strict=True):
            if key.trust is Trust.UNDECIDED:
                decided = self._policy(key, [other for other in keys if other is not key])
                if decided is not Trust.UNDECIDED:
                    decisions[device.identity_key] = decided
        levels = {
            key.text: decisions.get(device.identity_key, key.trust)
            for device, key in zip(devices, keys, strict=True)
        }
        for peer in {device.bare_jid for device in devices}:
            self._remember(peer, levels)
        for peer in {key.peer for key in keys if key.active}:
            self._end_keyless(peer)
        return decisions

    def knows(self, peer: str) -> bool:
        """Whether any key of this peer has ever been seen."""
        return bool(self._db.sql.execute("SELECT 1 FROM known_keys WHERE peer = ?", (peer,)).fetchone())

    def concerned(self, peer: str) -> bool:
        """Whether new keys of this peer matter at once, and not only when a message is to be encrypted."""
        keyless = self._db.sql.execute("SELECT 1 FROM chats WHERE peer = ? AND keyless", (peer,))
        return self.knows(peer) or keyless.fetchone() is not None

    def _end_keyless(self, peer: str) -> None:
        ended = self._db.sql.execute(
            "UPDATE chats SET plain = 0, keyless = 0, encrypted_again = 1 WHERE peer = ? AND keyless", (peer,)
        )
        if ended.rowcount:
            self._encrypted_again(peer)

    def _remember(self, peer: str, levels: dict[str, Trust]) -> None:
        found = self._db.sql.execute("SELECT fingerprint FROM known_keys WHERE peer = ?", (peer,))
        known = {row[0] for row in found}
        for text, trusted in levels.items():
            if text not in known:
                self._db.sql.execute("INSERT OR IGNORE INTO known_keys VALUES (?, ?)", (peer, text))
                if known:
                    self.warn(peer, text, trusted.sound)
