"""The data folder that a command works on: one that is used already, not one made by mistake."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kith.accounts.secret import has_secret
from kith.commands.fail import fail
from kith.config import Config
from kith.store.folder import check_folder
from kith.terminal import say


def require_folder(config: Config) -> None:
    """Ends the program if Kith has never used the data folder."""
    if not is_used(config):
        fail(
            f"there is no Kith in {config.data_dir.absolute()}: name its folder with KITH_DATA_DIR, "
            "or its settings with --config or KITH_CONFIG"
        )


def make_folder(config: Config) -> None:
    """Creates the data folder if Kith has never used it, and says so. Ends the program if it can't."""
    if is_used(config):
        return
    try:
        check_folder(config.data_dir)
    except OSError as error:
        fail(str(error))
    say(f"A new data folder: {config.data_dir.absolute()}", sys.stderr)


def give_to_owner(folder: Path) -> None:
    """Leaves files that root has made in a data folder to the folder's owner: the user of the server.

    Does nothing for anybody else.
    """
    if os.geteuid() != 0 or not folder.is_dir():
        return
    owner = folder.stat()
    for path in [*folder.iterdir()]:
        if owner.st_uid != path.lstat().st_uid == 0:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def is_used(config: Config) -> bool:
    """Whether it has been used, even if its database is missing now."""
    return config.database.exists() or has_secret(config.data_dir / "secret")
