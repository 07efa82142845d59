"""`kith backup` for cron: encrypted, quiet, rotated; and what `kith restore` says of an encrypted file."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kith.commands import backup
from kith.config import load
from tests.conftest import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """One that has accounts, and does not run."""
    it = RunningServer(tmp_path_factory.mktemp("sealed") / "data")
    it.add_user("ada")
    return it


def age_keys(folder: Path) -> tuple[str, Path]:
    """A public key, and the file of its private key as age-keygen writes it."""
    identity = pyrage.x25519.Identity.generate()
    file = folder / "key.txt"
    file.write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    return str(identity.to_public()), file


def ssh_keys(folder: Path) -> tuple[str, Path]:
    key = Ed25519PrivateKey.generate()
    file = folder / "id_ed25519"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(), file


def restored(tmp_path: Path, *arguments: str) -> tuple[RunningServer, str]:
    """Restores into a new folder. Returns its server and what was said on standard error."""
    other = RunningServer(tmp_path / "restored")
    done = other.kith("restore", *arguments, check=False)
    return other, done.stderr


@pytest.mark.parametrize("make", [age_keys, ssh_keys])
def test_who_has_the_private_key_can_restore_it_and_nobody_else(
    server: RunningServer, tmp_path: Path, make: object
) -> None:
    assert callable(make)
    public, private = make(tmp_path)
    target = tmp_path / "saved.tar.age"
    server.kith("backup", "--to", public, str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    data = target.read_bytes()
    assert data.startswith(b"age-encryption.org/v1\n")
    assert b"SQLite format" not in data
    other, said = restored(tmp_path, str(target))
    assert "it is encrypted: name the file of the private key with --identity" in said
    (tmp_path / "wrong").mkdir()
    _, wrong = age_keys(tmp_path / "wrong")
    _, said = restored(tmp_path, "--identity", str(wrong), str(target))
    assert "does not decrypt it" in said
    assert not other.data_dir.exists()
    other, said = restored(tmp_path, "--identity", str(private), str(target))
    assert said == ""
    assert other.kith("user", "list").stdout == "ada@localhost\n"
    assert {path.suffix for path in other.data_dir.iterdir()} <= {"", ".sqlite", ".pem", ".lock"}


def test_several_keys_may_be_in_a_file(server: RunningServer, tmp_path: Path) -> None:
    keys = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keys.append(age_keys(tmp_path / name))
    recipients = tmp_path / "recipients"
    recipients.write_text("# who may read backups\n" + "".join(f"{public}\n" for public, _ in keys))
    server.kith("backup", "--to", str(recipients), str(tmp_path / "saved.age"))
    for number, (_, private) in enumerate(keys):
        (tmp_path / str(number)).mkdir()
        _, said = restored(tmp_path / str(number), "--identity", str(private), str(tmp_path / "saved.age"))
        assert said == ""


@pytest.mark.parametrize(
    ("key", "said"),
    [("age1nonsense", "is not a public key"), ("/nowhere/keys", "neither a public key nor a file")],
)
def test_a_wrong_key_is_said_and_nothing_is_written(
    server: RunningServer, tmp_path: Path, key: str, said: str
) -> None:
    done = server.kith("backup", "--to", key, str(tmp_path / "saved.age"), check=False)
    assert (done.returncode, said in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_quiet_says_nothing_and_keep_removes_the_oldest_of_this_domain(
    server: RunningServer, tmp_path: Path
) -> None:
    others = ["kith-localhost-notes.tar", "kith-example.org-20200101-000000.tar", "notes.txt"]
    old = [f"kith-localhost-2020010{day}-000000.tar{end}" for day in (1, 2, 3) for end in ("", ".age")]
    for name in others + old:
        (tmp_path / name).write_text("old")
    done = server.kith("backup", "--quiet", "--keep", "3", f"{tmp_path}/")
    assert done.stdout == done.stderr == ""
    left = sorted(path.name for path in tmp_path.iterdir())
    new = [name for name in left if name not in others + old]
    assert len(new) == 1
    assert left == sorted([*others, *old[-2:], *new])


def test_keep_needs_a_folder(server: RunningServer, tmp_path: Path) -> None:
    done = server.kith("backup", "--keep", "3", str(tmp_path / "saved.tar"), check=False)
    assert (done.returncode, "--keep needs a folder" in done.stderr) == (2, True)


def test_what_is_not_encrypted_is_never_in_the_folder_for_backups(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the command is killed in the middle, here between two of its steps."""
    public, _ = age_keys(tmp_path)
    target = tmp_path / "backups"
    target.mkdir()
    seen: list[str] = []

    def killed(source: Path, *_: object) -> None:
        seen.extend(str(path) for path in (source, *target.rglob("*")))
        raise KeyboardInterrupt

    monkeypatch.setattr(backup, "seal", killed)
    with pytest.raises(KeyboardInterrupt):
        backup.backup(load(None, server.environ), target, None, backup.Wishes(keys=[public]))
    assert [path for path in seen if path.startswith(str(target))] == []
    assert seen[0].startswith(str(server.data_dir))
    assert not list(server.data_dir.glob(".kith-backup-*"))


def test_a_backup_that_is_written_is_not_said_to_be_missing_if_an_older_one_stays(
    server: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "kith-localhost-20200101-000000.tar").mkdir()  # no file, so it can't be removed as one
    done = server.kith("backup", "--keep", "1", f"{tmp_path}/", check=False)
    assert done.returncode == 2
    assert "was written, but older backups were not removed" in done.stderr
    assert len(list(tmp_path.glob("kith-localhost-202[1-9]*.tar"))) == 1
