"""`kith backup`: saves everything that a server needs in one file, whether or not the server is running."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from kith import __version__
from kith.commands import backup_file
from kith.commands.backup_file import About, BackupError
from kith.commands.fail import fail
from kith.commands.folder import require_folder
from kith.commands.sealing import Keys, recipients, seal
from kith.config import Config
from kith.console import SafeConsole
from kith.edge.certificate import own_files
from kith.edge.certificate_health import check_pair
from kith.store import snapshot
from kith.store.errors import StoreError
from kith.store.schema import MIGRATIONS
from kith.terminal import say

_ATTEMPTS = 3


def progress_bar(quiet: bool = False) -> Progress:
    """A progress bar on standard error, shown only if that is a terminal."""
    console = SafeConsole(stderr=True, markup=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )


def counted(accounts: int) -> str:
    """The number of accounts with its verb: ``1 account is``, ``2 accounts are``."""
    return f"{accounts} account{' is' if accounts == 1 else 's are'}"


class Wishes(NamedTuple):
    """How a backup is made.

    ``force``: overwrite an existing file. ``keys``: public keys to encrypt it for (`sealing.recipients`).
    ``keep``: how many backups of this domain to keep in the folder, this one included; 0: all. ``quiet``: say
    nothing unless something is wrong.
    """

    force: bool = False
    keys: Sequence[str] = ()
    keep: int = 0
    quiet: bool = False


def backup(config: Config, target: Path, settings: Path | None, wishes: Wishes) -> None:
    """Writes a backup to a file, or to a new file in a folder. Ends the program with status 2 if it can't.

    ``settings``: the file with the settings, if there is one.
    """
    require_folder(config)
    if target.is_dir() or str(target).endswith(os.sep):
        target = (
            target / f"{_prefix(config)}{datetime.now():%Y%m%d-%H%M%S}.tar{'.age' if wishes.keys else ''}"
        )
    elif wishes.keep:
        fail("--keep needs a folder for the backups")
    if target.exists() and not wishes.force:
        fail(f"{target} exists: choose another name, or use --force")
    try:
        keys = recipients(wishes.keys)
        accounts = _write(config, target, settings, keys, wishes.quiet)
    except (StoreError, BackupError) as error:
        fail(f"no backup was written: {error}")
    except OSError as error:
        fail(f"no backup was written: can't write {target}: {error.strerror or error}")
    try:
        if wishes.keep:
            _rotate(config, target.parent, wishes.keep)
    except OSError as error:
        fail(f"{target} was written, but older backups were not removed: {error.strerror or error}")
    if wishes.quiet:
        return
    say(f"{counted(accounts)} in {target} ({decimal(target.stat().st_size)}).")
    if not keys:
        say("It contains the server's secret and key, and is not encrypted: let nobody else read it.")
    for name in ("certificate", "private_key"):
        path = getattr(config, name)
        if path is not None and not _inside(config, path):
            say(f"Not in it: {path}, which is outside the data folder.")
    if config.has_media and config.media_folder.is_dir():
        say(f"Not in it: the files that people have sent, in {config.media_folder}. Copy that folder, too.")


def _prefix(config: Config) -> str:
    """How the names of backups begin in a folder."""
    return f"kith-{config.domain.strip('[]')}-"


def _rotate(config: Config, folder: Path, keep: int) -> None:
    """Removes the oldest backups that were made here, by their names, which have the time."""
    made = re.compile(re.escape(_prefix(config)) + r"[0-9]{8}-[0-9]{6}\.tar(?:\.age)?")
    found = sorted(path for path in folder.iterdir() if made.fullmatch(path.name))
    for path in found[:-keep]:
        path.unlink()


def _write(config: Config, target: Path, settings: Path | None, keys: Keys, quiet: bool) -> int:
    """Writes the file under a temporary name until it is checked. Returns the number of accounts in it.

    If it is encrypted, what is not is only ever in the data folder, even if this process is killed.
    """
    workshop = config.data_dir if keys else target.parent
    folder = Path(tempfile.mkdtemp(prefix=".kith-backup-", dir=workshop))
    sealed = target.with_name(f".{target.name}.new")
    try:
        with progress_bar(quiet) as progress:
            database = folder / config.database.name
            copying = progress.add_task("Copying the database", total=None)
            snapshot.copy(
                config.database,
                database,
                lambda done, all: progress.update(copying, completed=done, total=all),
            )
            checking = progress.add_task("Checking the copy", total=None)
            accounts = snapshot.check(database)
            progress.update(checking, completed=1, total=1)
            files = {**_small_files(config, settings, folder), database.name: database}
            size = sum(path.stat().st_size for path in files.values())
            written, read = (
                progress.add_task(what, total=size) for what in ("Writing the file", "Checking the file")
            )
            temporary = folder / "backup.tar"
            with open(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as out:
                about = About.now(__version__, config.domain, _schema(database))
                backup_file.write(out, about, files, lambda n: progress.advance(written, n))
                out.flush()
                os.fsync(out.fileno())
                out.seek(0)
                backup_file.read(out, lambda n: progress.advance(read, n))
            if keys:
                encrypting = progress.add_task("Encrypting the file", total=None)
                seal(temporary, sealed, keys)
                progress.update(encrypting, completed=1, total=1)
                temporary = sealed
                _sync_file(sealed)
        temporary.replace(target)
        _sync(target.parent)
        return accounts
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sealed.unlink(missing_ok=True)


def _schema(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    finally:
        connection.close()
    assert version <= len(MIGRATIONS)  # `snapshot.check` has made sure
    return int(version)


def _small_files(config: Config, settings: Path | None, folder: Path) -> dict[str, Path]:
    """Copies the small files of the data folder, and returns them by name.

    Certificate and key are copied until they match, in case they are being renewed. Raises BackupError.
    """
    data = config.data_dir
    certificate, key = own_files(config)
    if config.certificate is not None and config.private_key is not None:
        certificate, key = config.certificate, config.private_key
    wanted = [data / "secret", *sorted(data.glob("*.toml")), certificate, key]
    if settings is not None:
        wanted.append(settings)
    for _ in range(_ATTEMPTS):
        copies: dict[str, Path] = {}
        for path in wanted:
            if path.is_file() and _inside(config, path):
                name = path.resolve().relative_to(data.resolve()).as_posix()
                copy = folder / "files" / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copies[name] = shutil.copyfile(path, copy)
        if not (_inside(config, certificate) and _inside(config, key) and certificate.is_file()):
            return copies
        names = [path.resolve().relative_to(data.resolve()).as_posix() for path in (certificate, key)]
        try:
            check_pair(*(folder / "files" / name for name in names))
            return copies
        except ValueError:
            continue  # it is being renewed
    raise BackupError(f"{certificate} and {key} do not belong together")


def _inside(config: Config, path: Path) -> bool:
    return path.resolve().is_relative_to(config.data_dir.resolve())


def _sync_file(path: Path) -> None:
    path.chmod(0o600)
    _sync(path)


def _sync(path: Path) -> None:
    """Lets a file or folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
