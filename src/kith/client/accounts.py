"""The accounts that were used on this machine, so that `kith chat` need not ask again. No passwords."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path


def config_file() -> Path:
    """In the XDG configuration folder."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "kith" / "accounts.json"


@dataclass(frozen=True, slots=True)
class Account:
    """How an account was reached the last time."""

    jid: str
    host: str | None = None
    port: int | None = None
    data: str | None = None
    insecure: bool = False
    theme: str = "kith-dark"


def remembered(file: Path | None = None) -> list[Account]:
    """The one used last comes first. A file that can't be read counts as none."""
    with suppress(OSError, ValueError, TypeError):
        return [Account(**entry) for entry in json.loads((file or config_file()).read_text())]
    return []


def remember(account: Account, file: Path | None = None) -> None:
    """Puts it first. A folder that can't be written is no reason not to chat."""
    file = file or config_file()
    others = [other for other in remembered(file) if other.jid != account.jid]
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps([asdict(entry) for entry in [account, *others]], indent=2) + "\n")
