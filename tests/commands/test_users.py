"""`kith user`: beside a running server and without one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.chaos.conftest import LONG
from tests.conftest import RunningServer
from tests.raw import RawClient, body, online


@pytest.fixture
def stopped(tmp_path: Path) -> RunningServer:
    """The settings of a server that does not run."""
    return RunningServer(tmp_path / "data")


async def can_log_in(server: RunningServer, user: str, password: str) -> bool:
    client = RawClient(server.port)
    await client.connect()
    try:
        await client.login(user, password)
    except TimeoutError:
        return False
    return True


def test_accounts_are_added_listed_and_removed(stopped: RunningServer) -> None:
    assert "ada@localhost was added" in stopped.kith("user", "add", "Ada", "--password", "x").stdout
    stopped.kith("user", "add", "ben@localhost", "--password", "y")
    assert stopped.kith("user", "list").stdout.split() == ["ada@localhost", "ben@localhost"]
    stopped.kith("user", "remove", "ada", "--yes")
    assert stopped.kith("user", "list").stdout.split() == ["ben@localhost"]


def test_a_ban_that_has_ended_keeps_nobody_from_being_added(stopped: RunningServer) -> None:
    stopped.kith("user", "add", "ada", "--password", "x")
    stopped.kith("user", "ban", "eve", "--days", "1e-9")
    assert "eve@localhost was added" in stopped.kith("user", "add", "eve", "--password", "x").stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("add", "ada", "--password", "x"), "exists; to change its password: kith user passwd"),
        (("add", "ada@elsewhere.example", "--password", "x"), "is not on localhost"),
        (("add", "a@b@c", "--password", "x"), "is not an address"),
        (("add", "ada@localhost/phone", "--password", "x"), "is not the address of an account"),
        (("add", "new", "--password", ""), "the password is empty"),
        (("add", "new"), "give it with --password"),
        (("passwd", "nobody", "--password", "x"), "there is no account nobody@localhost"),
        (("remove", "nobody", "--yes"), "there is no account nobody@localhost"),
        (("import", "/nowhere.csv"), "can't read /nowhere.csv"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    stopped: RunningServer, arguments: tuple[str, ...], text: str
) -> None:
    stopped.kith("user", "add", "ada", "--password", "x")
    done = stopped.kith("user", *arguments, check=False)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


#: Ten groups; `make chaos` imports fifty. What they cost is the hashing of their passwords.
MANY = 10_000 if LONG else 2_000


@pytest.mark.timeout(600)
async def test_thousands_of_accounts_are_imported_while_others_write(
    server: RunningServer, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    lines = [f"u{number}@localhost,secret {number}" for number in range(MANY)]
    wrong = ["x@elsewhere.example,y", "one column", "u7@localhost,again"]
    file.write_text("\n".join(["jid,password", *lines, *wrong]) + "\n")
    for name in ("one", "other"):
        server.add_user(name)
    one, other = await online(server.port, "one"), await online(server.port, "other")
    importing = asyncio.create_task(
        asyncio.to_thread(server.kith, "user", "import", str(file), check=False, timeout=300)
    )
    said = 0
    while not importing.done():
        one.send(f"<message to='{other.bare}' type='chat'><body>{said}</body></message>")
        assert body(await other.message()) == str(said)
        said += 1
        await asyncio.sleep(0.05)
    assert said > 10
    done = await importing
    assert done.returncode == 1  # some lines were wrong
    assert f"{MANY} accounts added, 0 existed, 3 lines not used." in done.stdout
    for number, text in enumerate(("is not on localhost", "1 columns", "is there twice"), MANY + 2):
        assert f"line {number}: " in done.stderr
        assert text in done.stderr
    assert "100%" in done.stderr
    assert await can_log_in(server, f"u{MANY - 1}", f"secret {MANY - 1}")
    again = server.kith("user", "import", str(file), check=False, timeout=300)
    assert f"0 accounts added, {MANY} existed" in again.stdout
    one.abort()
    other.abort()


def test_a_file_without_the_header_is_refused(stopped: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("ada@localhost,x\n")
    done = stopped.kith("user", "import", str(file), check=False)
    assert done.returncode == 2
    assert "jid,password" in done.stderr


async def test_a_changed_password_is_the_one_that_counts(server: RunningServer) -> None:
    server.add_user("changing", "old")
    assert await can_log_in(server, "changing", "old")
    server.kith("user", "passwd", "changing", "--password", "new")
    assert await can_log_in(server, "changing", "new")
    client = RawClient(server.port)
    await client.connect()
    client.open()
    await client.tag("features")
    client.send(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGNoYW5naW5nAG9sZA==</auth>"
    )
    assert (await client.tag("failure"))[0].tag.endswith("not-authorized")


def test_passwords_are_kept_as_scram_keys_only(stopped: RunningServer) -> None:
    stopped.kith("user", "add", "ada", "--password", "a very secret word")
    for path in stopped.data_dir.iterdir():
        assert b"very secret" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0, path


def test_help_names_every_command_with_an_example(stopped: RunningServer) -> None:
    text = stopped.kith("--help").stdout
    for command in ("serve", "user", "chat", "doctor"):
        assert command in text
    assert "kith user add ada@localhost" in stopped.kith("user", "add", "--help").stdout
    assert stopped.kith("--version").stdout.startswith("kith 0.")


def test_a_number_is_one_account_however_it_is_written(stopped: RunningServer) -> None:
    shown = stopped.kith("user", "add", "+5215512345678", "--password", "x").stdout
    assert "+525512345678@localhost was added" in shown
    again = stopped.kith("user", "add", "+525512345678@localhost", "--password", "x", check=False)
    assert again.returncode == 2
    for form in ("+525512345678", "+5215512345678@localhost"):
        assert stopped.kith("user", "passwd", form, "--password", "y").returncode == 0
    assert stopped.kith("user", "remove", "+5215512345678", "--yes").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("command", ["add", "restore", "import"])
def test_what_root_makes_in_a_folder_belongs_to_the_owner_of_the_folder(tmp_path: Path, command: str) -> None:
    """Otherwise the server, which is another user, can't open its own database."""
    tmp_path.chmod(0o755)
    server = RunningServer(tmp_path / "data")
    if command == "restore":
        other = RunningServer(tmp_path / "other")
        other.add_user("ada")
        other.kith("backup", str(tmp_path / "saved.tar"))
    if command == "import":
        (tmp_path / "ada.xml").write_text(
            "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"
            "<user name='ada' password='pw of ada'/></host></server-data>"
        )
    server.data_dir.mkdir(mode=0o700)
    os.chown(server.data_dir, 12345, 12346)
    arguments = {
        "add": ("user", "add", "ada", "--password", "pw"),
        "restore": ("restore", str(tmp_path / "saved.tar")),
        "import": ("import", str(tmp_path / "ada.xml")),
    }
    server.kith(*arguments[command])
    made = list(server.data_dir.iterdir())
    assert "kith.sqlite" in {path.name for path in made}
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(12345, 12346)}
