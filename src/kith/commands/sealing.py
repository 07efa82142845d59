"""Encrypts backups for people who hold a key of their own, with age (https://age-encryption.org/v1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyrage

from kith.commands.backup_file import BackupError

#: The beginning of each file that age has encrypted.
_MAGIC = b"age-encryption.org/v1\n"
#: Public keys.
Keys = Sequence[pyrage.x25519.Recipient | pyrage.ssh.Recipient]


def is_sealed(path: Path) -> bool:
    """Whether a file is encrypted with age. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def recipients(texts: Sequence[str]) -> Keys:
    """The keys to encrypt for: of age (``age1…``) or SSH, each as text or in a file with one on each line.

    Raises BackupError.
    """
    found = []
    for text in texts:
        for line in _lines(text):
            try:
                kind = pyrage.x25519 if line.startswith("age1") else pyrage.ssh
                found.append(kind.Recipient.from_str(line))
            except pyrage.RecipientError:
                raise BackupError(f"{line!r} is not a public key of age or SSH") from None
    return found


def seal(source: Path, target: Path, keys: Keys) -> None:
    """Encrypts a file. Raises OSError, BackupError."""
    try:
        pyrage.encrypt_file(str(source), str(target), list(keys))
    except pyrage.EncryptError as error:
        raise BackupError(f"can't encrypt: {error}") from None


def unseal(source: Path, target: Path, key: Path | None) -> None:
    """Decrypts a file with the private key in the file ``key``. Raises OSError, BackupError."""
    if key is None:
        raise BackupError("it is encrypted: name the file of the private key with --identity")
    identities = []
    text = key.read_text()
    try:
        if "PRIVATE KEY-----" in text:
            identities.append(pyrage.ssh.Identity.from_buffer(text.encode()))
        else:
            identities += [pyrage.x25519.Identity.from_str(line) for line in _useful(text)]
    except pyrage.IdentityError:
        raise BackupError(f"{key} is not a private key of age or SSH without a passphrase") from None
    try:
        pyrage.decrypt_file(str(source), str(target), identities)
    except pyrage.DecryptError as error:
        raise BackupError(f"{key} does not decrypt it: {error}") from None


def _lines(text: str) -> list[str]:
    path = Path(text)
    if not text.startswith(("age1", "ssh-")):
        try:
            return _useful(path.read_text())
        except (OSError, UnicodeDecodeError):
            raise BackupError(f"{text!r} is neither a public key nor a file of them") from None
    return [text]


def _useful(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
