"""`kith restore`: fills an empty data folder from a backup, completely or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from kith.commands import backup_file
from kith.commands.backup import counted, progress_bar
from kith.commands.backup_file import About, BackupError
from kith.commands.fail import fail
from kith.commands.folder import give_to_owner
from kith.commands.sealing import is_sealed, unseal
from kith.config import Config
from kith.store import snapshot
from kith.store.errors import StoreError
from kith.store.folder import LOCK, FolderLock
from kith.terminal import say

_STAGE = ".restoring"
#: The decrypted backup in the stage, until it is read.
_PLAIN = "backup.tar"
#: What an empty folder may contain: the leftovers of an interrupted restore, and what file systems create.
_IGNORED = frozenset((_STAGE, LOCK, "lost+found"))


def restore(config: Config, source: Path, identity: Path | None = None) -> None:
    """Fills the data folder of the settings, which has to be empty or missing.

    ``identity``: the file of the private key, if the backup is encrypted.

    Ends the program with status 2 if it can't, and leaves nothing behind.
    """
    data = config.data_dir
    try:
        present = [path.name for path in data.iterdir()] if data.exists() else []
    except OSError as error:
        fail(f"can't look into {data}: {error.strerror}")
    if [name for name in present if name not in _IGNORED]:
        fail(f"{data} is not empty: move its files away, or set KITH_DATA_DIR to another folder")
    created = not data.exists()
    try:
        about, accounts = _restore(config, source, identity)
    except (BackupError, StoreError) as error:
        _clean(data, created)
        fail(f"{source} was not restored: {error}")
    except OSError as error:
        _clean(data, created)
        fail(f"{source} was not restored: {error.strerror or error}{_where(error)}")
    except BaseException:
        _clean(data, created)
        raise
    give_to_owner(data)
    say(f"{counted(accounts)} in {data}: {about.domain} as it was at {about.made}.")
    if config.has_media and not config.media_folder.exists():
        say(f"Files that people have sent are not in a backup: put yours into {config.media_folder}")
    say("Start the server with: kith serve")


def _where(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def _clean(data: Path, created: bool) -> None:
    shutil.rmtree(data if created else data / _STAGE, ignore_errors=True)


def _restore(config: Config, source: Path, identity: Path | None) -> tuple[About, int]:
    """Checks the backup and moves its files into place, the database last.

    Returns its accounts' number, too.
    """
    data, stage = config.data_dir, config.data_dir / _STAGE
    with progress_bar() as progress, contextlib.ExitStack() as stack:
        sealed = is_sealed(source)
        shutil.rmtree(stage, ignore_errors=True)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FolderLock(data)  # a server whose database was deleted may still run here
        stage.mkdir(mode=0o700)
        plain = stage / _PLAIN if sealed else source
        if sealed:
            decrypting = progress.add_task("Decrypting the backup", total=None)
            unseal(source, plain, identity)
            progress.update(decrypting, completed=1, total=1)
        file = stack.enter_context(plain.open("rb"))
        size = os.fstat(file.fileno()).st_size
        reading = progress.add_task("Reading the backup", total=size)
        about = backup_file.read(file, lambda n: progress.advance(reading, n), stage)
        progress.update(reading, completed=size)
        if sealed:
            plain.unlink()
        if about.domain != config.domain:
            raise BackupError(
                f"it is of the domain {about.domain}, but the settings say {config.domain}:"
                f" set KITH_DOMAIN={about.domain}"
            )
        checking = progress.add_task("Checking the database", total=None)
        database = stage / config.database.name
        if not database.is_file():
            raise BackupError("it contains no database")
        accounts = snapshot.check(database)
        snapshot.set_apart(database)
        progress.update(checking, completed=1, total=1)
    files = sorted((p for p in stage.rglob("*") if p.is_file()), key=lambda path: path == database)
    for path in files:
        place = data / path.relative_to(stage)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.rename(place)
        _sync(place.parent)
    shutil.rmtree(stage)
    lock.release()
    return about, accounts


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
