"""Remembers the accounts that were used on this machine, without passwords, for `kith chat`."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path


def config_file() -> Path:
    """The file with the accounts, in the XDG configuration folder."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "kith" / "accounts.json"


@dataclass(frozen=True, slots=True)
class Account:
    """How an account was connected to the last time, and the theme that was chosen."""

    jid: str
    host: str | None = None
    port: int | None = None
    data: str | None = None
    insecure: bool = False
    theme: str = "kith-dark"


def remembered(file: Path | None = None) -> list[Account]:
    """The accounts, the one used last first. Empty if the file is missing or can't be read."""
    with suppress(OSError, ValueError, TypeError):
        return [Account(**entry) for entry in json.loads((file or config_file()).read_text())]
    return []


def remember(account: Account, file: Path | None = None) -> None:
    """Stores an account as the one used last. If the file can't be written, nothing happens."""
    file = file or config_file()
    others = [other for other in remembered(file) if other.jid != account.jid]
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps([asdict(entry) for entry in [account, *others]], indent=2) + "\n")
