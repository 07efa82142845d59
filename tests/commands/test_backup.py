"""`kith backup` and `kith restore`: everything is there, or one line says why not."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import KITH, RunningServer, running
from tests.core.test_archive import paging, query
from tests.core.test_sasl2 import SASL2, by_token, once, token_of
from tests.raw import RawClient, online

SENDERS = 4
MESSAGES = "urn:xmpp:sm:3"
BOOKMARK = "<conference xmlns='urn:xmpp:bookmarks:1' name='{}'/>"


class Sender:
    """Sends numbered messages to ben, and knows how many of them the server has acknowledged."""

    def __init__(self, server: RunningServer, number: int) -> None:
        self.server = server
        self.name = f"s{number}"
        self.acknowledged = 0

    async def run(self, stop: asyncio.Event) -> None:
        client = await online(self.server.port, self.name)
        client.send(f"<enable xmlns='{MESSAGES}'/>")
        await client.tag("enabled")
        sent = 0
        while not stop.is_set():
            for _ in range(10):
                client.send(f"<message to='ben@localhost'><body>{self.name} {sent}</body></message>")
                sent += 1
            client.send(f"<r xmlns='{MESSAGES}'/>")
            self.acknowledged = int((await client.tag("a")).get("h") or 0)
        client.abort()


async def archive(client: RawClient) -> list[str]:
    """All texts of an account's archive."""
    found: list[str] = []
    after = ""
    while True:
        page = await query(client, paging(f"<max>100</max>{after}"))
        found += [text or "" for text in page.texts]
        if page.complete:
            return found
        after = f"<after>{page.last}</after>"


async def contacts(client: RawClient) -> dict[str, str]:
    roster = await client.iq("get", "<query xmlns='jabber:iq:roster'/>")
    return {item.get("jid", ""): item.get("subscription", "") for item in roster[0]}


async def bookmarks(client: RawClient) -> list[str]:
    items = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>"
    answer = await client.iq("get", items)
    return [e.get("name", "") for e in answer.iter("{urn:xmpp:bookmarks:1}conference")]


async def furnish(server: RunningServer) -> tuple[str, str, str]:
    """Gives ada all that an account can have. Returns a device's id, its token, the roster's version."""
    ada, ben = await online(server.port, "ada"), await online(server.port, "ben")
    for client, other in ((ada, ben), (ben, ada)):
        client.send(f"<presence type='subscribe' to='{other.bare}'/>")
        await client.ping()
        other.send(f"<presence type='subscribed' to='{client.bare}'/>")
        await other.ping()
    publish = (
        f"<publish node='urn:xmpp:bookmarks:1'><item id='r@x.y'>{BOOKMARK.format('Room')}</item></publish>"
    )
    await ada.result("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub>")
    id = str(uuid.uuid4())
    token = await token_of(server, "ada", id)
    roster = await ada.iq("get", "<query xmlns='jabber:iq:roster' ver=''/>")
    ada.abort()
    ben.abort()
    return id, token, roster[0].get("ver", "")


async def test_a_backup_of_a_server_under_traffic_has_everything_and_a_new_folder_finds_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "backup.tar"
    with running(tmp_path / "data") as server:
        for name in ("ada", "ben", *(f"s{n}" for n in range(SENDERS))):
            server.add_user(name)
        id, token, version = await furnish(server)
        senders = [Sender(server, number) for number in range(SENDERS)]
        stop = asyncio.Event()
        work = [asyncio.create_task(sender.run(stop)) for sender in senders]
        while not all(sender.acknowledged > 20 for sender in senders):
            await asyncio.sleep(0.05)
        before = {sender.name: sender.acknowledged for sender in senders}
        done = await asyncio.to_thread(server.kith, "backup", str(file))
        after = {sender.name: sender.acknowledged for sender in senders}
        assert all(after[name] > before[name] for name in before), "the traffic went on"
        stop.set()
        await asyncio.gather(*work)
        secret = (server.data_dir / "secret").read_bytes()
        certificate = (server.data_dir / "certificate.pem").read_bytes()
        server.kill()
    assert "6 accounts are in" in done.stdout
    assert done.stderr == ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".kith-backup")]
    shutil.rmtree(tmp_path / "data")

    restored = RunningServer(tmp_path / "elsewhere" / "new")
    restored.log = tmp_path / "new.log"
    assert "6 accounts are in" in restored.kith("restore", str(file)).stdout
    assert (restored.data_dir / "secret").read_bytes() == secret
    assert (restored.data_dir / "certificate.pem").read_bytes() == certificate
    assert {path.stat().st_mode & 0o077 for path in restored.data_dir.iterdir()} == {0}
    restored.start()
    try:
        assert len(restored.kith("user", "list").stdout.split()) == 6
        assert "Ann's phone" in restored.kith("device", "list", "ada").stdout
        assert (await once(restored.port, by_token("ada", token, id))).tag == SASL2 + "success"
        ada, ben = await online(restored.port, "ada"), await online(restored.port, "ben", presence=None)
        assert await contacts(ada) == {"ben@localhost": "both"}
        assert await bookmarks(ada) == ["Room"]
        texts = await archive(ben)
        for name, acknowledged in before.items():
            own = [int(text.split()[1]) for text in texts if text.split()[0] == name]
            assert own == list(range(len(own))), "each once, in order, without a gap"
            assert len(own) >= acknowledged
        ada.send("<message to='ben@localhost'><body>on we go</body></message>")
        await ada.ping()
        assert (await archive(ben))[-1] == "on we go"
        changed = await ada.iq("set", "<query xmlns='jabber:iq:roster'><item jid='x@y.example'/></query>")
        assert changed.get("type") == "result"
        roster = await ada.iq("get", "<query xmlns='jabber:iq:roster' ver=''/>")
        assert int(roster[0].get("ver", "")) > int(version) + (1 << 31), "no version comes twice"
        assert "level=error" not in restored.log.read_text()
    finally:
        restored.kill()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """A data folder without a server."""
    server = RunningServer(tmp_path_factory.mktemp("kith") / "data")
    server.start()
    server.add_user("ada")
    server.stop()
    return server


@pytest.fixture(scope="module")
def made(stopped: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A backup's bytes."""
    file = tmp_path_factory.mktemp("backup") / "file.tar"
    stopped.kith("backup", str(file))
    return file.read_bytes()


def refusal(server: RunningServer, *arguments: str) -> str:
    """The one line with which a command fails."""
    done = server.kith(*arguments, check=False)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("kith: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_it_is_a_plain_tar_whose_sums_anybody_can_check(made: bytes, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert tar.getnames() == [
            "kith-backup.json",
            "secret",
            "certificate.pem",
            "private-key.pem",
            "kith.sqlite",
            "SHA256SUMS",
        ]
        assert {member.mode for member in tar} == {0o600}
        tar.extractall(tmp_path, filter="data")
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)
    about = json.loads((tmp_path / "kith-backup.json").read_text())
    assert (about["format"], about["domain"]) == (1, "localhost")


def test_a_folder_gets_a_file_with_a_name_of_its_own(stopped: RunningServer, tmp_path: Path) -> None:
    stopped.kith("backup", str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("kith-localhost-20")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_exists_is_overwritten_only_by_force(stopped: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "file.tar"
    file.write_text("precious")
    assert "exists: choose another name, or use --force" in refusal(stopped, "backup", str(file))
    assert file.read_text() == "precious"
    stopped.kith("backup", "--force", str(file))
    assert tarfile.is_tarfile(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_settings_in_the_data_folder_come_along_and_others_are_named(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    server.start()
    server.stop()
    (tmp_path / "data" / "kith.toml").write_text('registration = "invite"\n')
    outside = [tmp_path / "certificate.pem", tmp_path / "private-key.pem"]
    for path in outside:
        shutil.copy(tmp_path / "data" / path.name, path)
    server.environ |= {"KITH_CERTIFICATE": str(outside[0]), "KITH_PRIVATE_KEY": str(outside[1])}
    done = server.kith("backup", str(tmp_path / "file.tar"))
    for path in outside:
        assert f"Not in it: {path}" in done.stdout
    assert "Not in it: the files that people have sent" in done.stdout
    restored = RunningServer(tmp_path / "new")
    restored.kith("restore", str(tmp_path / "file.tar"))
    assert (restored.data_dir / "kith.toml").read_text() == 'registration = "invite"\n'
    assert not (restored.data_dir / "private-key.pem").exists()


@pytest.mark.parametrize("limit", [10_000, 70_000])
def test_a_backup_that_finds_no_room_leaves_nothing_behind(
    stopped: RunningServer, tmp_path: Path, limit: int
) -> None:
    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    file = tmp_path / "file.tar"
    file.write_text("the one before")
    done = subprocess.run(
        [*KITH, "backup", "--force", str(file)],
        env=stopped.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=little_room,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("kith: no backup was written: ")
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["file.tar"]
    assert file.read_text() == "the one before"


def test_a_damaged_database_is_not_taken_for_a_backup(stopped: RunningServer, tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    shutil.copytree(stopped.data_dir, server.data_dir)
    with (server.data_dir / "kith.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(1).randbytes(40_000))
    assert "the database is damaged" in refusal(server, "backup", str(tmp_path / "file.tar"))
    assert not (tmp_path / "file.tar").exists()
    assert "there is no Kith in" in refusal(RunningServer(tmp_path / "none"), "backup", str(tmp_path))
    assert "can't write" in refusal(stopped, "backup", str(tmp_path / "no" / "where.tar"))


def rewritten(data: bytes, change: Callable[[str, bytes], tuple[str, bytes]]) -> bytes:
    """The same backup with other members, and the sums of the old ones."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            name, text = change(member.name, content.read())
            info = tarfile.TarInfo(name)
            info.size = len(text)
            new.addfile(info, io.BytesIO(text))
    return out.getvalue()


def with_about(**values: object) -> Callable[[str, bytes], tuple[str, bytes]]:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        if name == "kith-backup.json":
            content = json.dumps(json.loads(content) | values).encode()
        return name, content

    return change


def named(old: str, new: str) -> Callable[[str, bytes], tuple[str, bytes]]:
    return lambda name, content: (new if name == old else name, content.replace(old.encode(), new.encode()))


def without_end(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content[:-1] if name == "kith.sqlite" else content


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: b"no tar at all" * 100, "damaged"),
        (lambda data: b"", "empty file"),
        (lambda data: data[:700], "cut short"),
        (lambda data: data[: len(data) // 2], "cut short"),
        (lambda data: data[: data.rindex(b"SHA256SUMS")], "cut short"),
        (lambda data: rewritten(data, with_about(format=2, kith="9.0")), "of a newer Kith (9.0)"),
        (lambda data: rewritten(data, with_about(format=2, made={"other": "shape"})), "of a newer Kith"),
        (lambda data: rewritten(data, with_about(made="1999")), "kith-backup.json is not what it was"),
        (lambda data: rewritten(data, without_end), "kith.sqlite is not what it was"),
        (lambda data: rewritten(data, named("secret", "../secret")), "a name that can't be"),
        (lambda data: rewritten(data, named("secret", "/tmp/secret")), "a name that can't be"),
        (lambda data: rewritten(data, named("kith-backup.json", "other.json")), "no backup of Kith"),
        (lambda data: rewritten(data, named("kith.sqlite", "other.sqlite")), "it contains no database"),
    ],
)
def test_what_is_no_whole_backup_is_refused_in_one_line_and_leaves_no_folder(
    made: bytes, tmp_path: Path, change: Callable[[bytes], bytes], text: str
) -> None:
    file = tmp_path / "file.tar"
    file.write_bytes(change(made))
    server = RunningServer(tmp_path / "new")
    assert text in refusal(server, "restore", str(file))
    assert not server.data_dir.exists()
    assert os.listdir(tmp_path) == ["file.tar"]


def test_a_flipped_byte_in_any_file_is_noticed(made: bytes, tmp_path: Path) -> None:
    chance = random.Random(4)
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        members = [(m.name, m.offset_data + chance.randrange(m.size)) for m in tar]
    for name, place in members:
        damaged = bytearray(made)
        damaged[place] ^= 0x55
        file = tmp_path / "file.tar"
        file.write_bytes(damaged)
        line = refusal(RunningServer(tmp_path / "new"), "restore", str(file))
        assert "damaged" in line or "no backup" in line, (name, place)
        assert not (tmp_path / "new").exists()


def test_a_backup_of_a_newer_schema_or_another_domain_is_refused(
    stopped: RunningServer, made: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "file.tar"
    file.write_bytes(made)
    other = RunningServer(tmp_path / "new", domain="example.org")
    assert "set KITH_DOMAIN=localhost" in refusal(other, "restore", str(file))
    newer = RunningServer(tmp_path / "newer")
    shutil.copytree(stopped.data_dir, newer.data_dir)
    connection = sqlite3.connect(newer.data_dir / "kith.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "of a newer Kith (version 99" in refusal(newer, "backup", str(tmp_path / "newer.tar"))


def test_a_folder_with_something_in_it_is_left_alone(made: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file.tar"
    file.write_bytes(made)
    server = RunningServer(tmp_path / "new")
    server.data_dir.mkdir()
    (server.data_dir / "mine.txt").write_text("mine")
    assert "is not empty: move its files away" in refusal(server, "restore", str(file))
    assert os.listdir(server.data_dir) == ["mine.txt"]
    (server.data_dir / "mine.txt").unlink()
    (server.data_dir / "lost+found").mkdir()
    server.kith("restore", str(file))
    assert "ada@localhost" in server.kith("user", "list").stdout
    assert "can't look" in refusal(RunningServer(file), "restore", str(file))
    assert "No such file" in refusal(RunningServer(tmp_path / "other"), "restore", str(tmp_path / "none.tar"))


def test_nothing_is_restored_under_a_server_that_runs(made: bytes, tmp_path: Path) -> None:
    """Its database was deleted; it still has the files open."""
    backup = tmp_path / "backup.tar"
    backup.write_bytes(made)
    with running(tmp_path / "data") as server:
        for path in server.data_dir.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "serve.lock":
                path.unlink()
        done = server.kith("restore", str(backup), check=False)
        assert done.returncode == 2
        assert f"process {server.pid} serves from the folder" in done.stderr
        assert not (server.data_dir / "kith.sqlite").exists()
        server.stop()
        server.kith("restore", str(backup))
        server.start()


def test_a_backup_that_is_interrupted_leaves_nothing_behind(stopped: RunningServer, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(stopped.data_dir, data)
    connection = sqlite3.connect(data / "kith.sqlite")
    connection.execute(
        "CREATE TABLE much AS WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 200000) SELECT i, hex(randomblob(200)) FROM n"
    )
    connection.commit()
    connection.close()
    (tmp_path / "to").mkdir()
    process = subprocess.Popen(
        [*KITH, "backup", str(tmp_path / "to" / "file.tar")],
        env=RunningServer(data).environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )
    deadline = time.monotonic() + 20
    while not list((tmp_path / "to").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    assert os.listdir(tmp_path / "to") == []
