"""The file with the server's secret, from which tokens and other keys are derived. It is not in the database.

A new server writes 32 random bytes. Since the secret can be replaced (`rotate`), the file can also be JSON
(`Keyring`): the present secret, and the keys of former ones that are still needed. It is always replaced as a
whole, so whatever is interrupted leaves the former file or the new one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import structlog

from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.records.device import LIFETIME

logger = structlog.get_logger("kith")
_BYTES = 32
#: How a `Keyring` begins.
_START = b'{"kith_secret":'
#: The uses of the secret (`Secret.key`) whose former keys are kept.
DEVICES, PINS, VAPID = "devices", "pins", "vapid"


class SecretDamaged(OSError):
    """The file is neither a secret nor a keyring."""

    def __init__(self) -> None:
        super().__init__(0, "the file is damaged; restore it from a backup")


class Former(msgspec.Struct):
    """A key of a former secret. ``until``: when it ends, in seconds since 1970; 0: never."""

    use: str
    generation: int
    key: bytes
    until: float = 0.0


class Keyring(msgspec.Struct):
    """What the file holds after the secret was replaced. ``kith_secret``: the version of this format.

    ``devices``: the key of device ids, which stays the same, or devices would be new ones. It protects
    nothing: the ids are hashes of random ids that only devices have.
    """

    kith_secret: int
    generation: int
    secret: bytes
    devices: bytes
    former: list[Former] = []

    def as_secret(self) -> Secret:
        """The secret for the parts of a server."""
        former: dict[str, dict[int, bytes]] = {}
        for key in self.former:
            former.setdefault(key.use, {})[key.generation] = key.key
        return Secret(self.secret, self.generation, former, {DEVICES: self.devices})


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Keyring).decode


def has_secret(path: Path) -> bool:
    """Whether a server has used this data folder before: it creates the file after the database."""
    return path.is_file() and path.stat().st_size >= _BYTES


def ensure_secret(path: Path, randomness: Randomness, now: float) -> Secret:
    """Reads the secret, or creates it, readable by the owner only. Raises OSError.

    Keys that have ended at ``now`` are removed from the file.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if not has_secret(path):
            path.unlink()  # a start that was cut off
            return ensure_secret(path, randomness, now)
        with _one_at_a_time(path):
            keyring = _read(path)
            valid = [key for key in keyring.former if not key.until or key.until > now]
            if len(valid) < len(keyring.former):
                keyring.former = valid
                try:
                    _write(path, keyring)
                except OSError as error:  # a file that can only be read; nothing uses these keys any more
                    logger.warning("former keys stay in the file with the secret", error=str(error))
        return keyring.as_secret()
    with os.fdopen(descriptor, "wb") as file:
        file.write(made := randomness.bytes(_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return Secret(made)


def rotate(path: Path, randomness: Randomness, now: float, log_out: bool) -> int:
    """Replaces the secret by a new one. Returns its generation. Raises OSError.

    A server uses it from its next start on. Tokens of devices that were made with former secrets stay valid
    until they would expire anyway, and are replaced when they are used; with ``log_out``, they end. PINs stay
    valid, and are stored anew when they are used. So do subscriptions to pushes, which apps renew.
    """
    with _one_at_a_time(path):
        old = _read(path)
        secret = old.as_secret()
        former = [key for key in old.former if key.use == PINS or not log_out]
        former.append(Former(PINS, old.generation, secret.key(PINS)))
        if not log_out:
            former += [
                Former(use, old.generation, secret.key(use), now + LIFETIME) for use in (DEVICES, VAPID)
            ]
        made = randomness.bytes(_BYTES)
        _write(path, Keyring(1, old.generation + 1, made, secret.lasting(DEVICES), former))
        return old.generation + 1


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Keeps other processes from replacing the file: a start of the server, or another command."""
    folder = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _read(path: Path) -> Keyring:
    """The file's content, whichever form it has. Raises OSError."""
    content = path.read_bytes()
    if not content.startswith(_START):
        if len(content) < _BYTES:
            raise SecretDamaged
        return Keyring(1, 0, content, Secret(content).key(DEVICES))
    try:
        keyring = _decode(content)
    except msgspec.DecodeError:
        raise SecretDamaged from None
    if keyring.kith_secret != 1 or len(keyring.secret) < _BYTES:
        raise SecretDamaged
    return keyring


def _write(path: Path, keyring: Keyring) -> None:
    """Replaces the file as a whole. It keeps its owner, also if root runs the command. Raises OSError."""
    path = path.resolve()
    before = path.stat()
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == 0:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            file.write(_encode(keyring))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
