"""`kith import` and `kith export` as an operator runs them."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import KITH, RunningServer, running
from tests.moving.place import DOMAIN, KEYS, user

_PEOPLE = 1500


@pytest.fixture
def stopped(tmp_path: Path) -> RunningServer:
    """The settings of a server that does not run."""
    return RunningServer(tmp_path / "data", domain=DOMAIN)


def many(count: int) -> str:
    """A file with many accounts, each with contacts and messages."""
    people = []
    for number in range(count):
        contacts = "".join(f"<item jid='c{n}@x.example' subscription='both'/>" for n in range(10))
        messages = "".join(
            f"<result xmlns='urn:xmpp:mam:2' id='{n}'><forwarded xmlns='urn:xmpp:forward:0'><delay "
            f"xmlns='urn:xmpp:delay' stamp='2024-05-01T10:00:{n:02}Z'/><message xmlns='jabber:client' "
            f"from='c{n}@x.example' to='p{number}@{DOMAIN}'><body>{n}</body></message></forwarded></result>"
            for n in range(10)
        )
        inside = f"{KEYS}<query xmlns='jabber:iq:roster'>{contacts}</query>"
        archive = f"<archive xmlns='urn:xmpp:pie:0#mam'>{messages}</archive>"
        people.append(f"<user name='p{number}'>{inside}{archive}</user>")
    hosts = f"<host jid='{DOMAIN}'>{''.join(people)}</host>"
    return f"<server-data xmlns='urn:xmpp:pie:0'>{hosts}</server-data>"


def _exported(server: RunningServer) -> str:
    """All accounts, without the ids of messages, which contain numbers of accounts."""
    return re.sub(r" (id|stamp)='[^']*'", "", server.kith("export", "--all", "--output", "-").stdout)


@pytest.mark.timeout(300)
def test_an_import_that_is_killed_continues_without_loss(tmp_path: Path, stopped: RunningServer) -> None:
    file = tmp_path / "many.xml"
    file.write_text(many(_PEOPLE))
    for part in (0.2, 0.6):
        importing = subprocess.Popen(
            [*KITH, "import", str(file)],
            env=stopped.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while importing.poll() is None and _count(stopped) < part * _PEOPLE:
            time.sleep(0.02)
        importing.kill()
        importing.wait()
    assert _count(stopped) > 0
    done = stopped.kith("import", str(file), timeout=120)
    assert "not taken" in done.stdout
    again = stopped.kith("import", str(file), timeout=120).stdout
    assert re.search(rf"accounts +0 +{_PEOPLE} +0", again), again
    whole = RunningServer(tmp_path / "whole", domain=DOMAIN)
    whole.kith("import", str(file), timeout=120)
    assert _exported(stopped) == _exported(whole)


def _count(server: RunningServer) -> int:
    if not (server.data_dir / "kith.sqlite").exists():
        return 0
    done = server.kith("user", "list", check=False)
    return done.stdout.count("\n")


def test_no_import_while_the_server_runs_but_a_trial_and_an_export(tmp_path: Path) -> None:
    file = tmp_path / "one.xml"
    file.write_text(user(KEYS))
    with running(tmp_path / "data", domain=DOMAIN) as server:
        refused = server.kith("import", str(file), check=False)
        assert refused.returncode == 2
        assert "stop it first" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert "Nothing was written" in server.kith("import", "--dry-run", str(file)).stdout
        server.kith("user", "add", "ada", "--password", "x")
        assert "name='ada'" in server.kith("export", f"ada@{DOMAIN}", "--output", "-").stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("import", "/nowhere.xml"), "can't read /nowhere.xml"),
        (("import", "."), "has no files of XEP-0227"),
        (("import", "--domain", "old.example", "FILE"), "takes OLD=NEW"),
        (("import", "--domain", "old.example=x.example", "FILE"), "this server serves new.example"),
        (("export",), "or use --all"),
        (("export", "--all", "ada"), "or use --all"),
        (("export", "nobody"), "there is no account nobody@new.example"),
        (("export", "--all", "--output", "FILE"), "exists; name another file"),
        (("export", "--all", "--output", "/nowhere/x.xml"), "can't write /nowhere/x.xml"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    tmp_path: Path, stopped: RunningServer, arguments: tuple[str, ...], text: str
) -> None:
    file = tmp_path / "one.xml"
    file.write_text(user(KEYS))
    (tmp_path / "empty").mkdir()
    stopped.kith("user", "add", "ada", "--password", "x")
    given = [str(file) if a == "FILE" else str(tmp_path / "empty") if a == "." else a for a in arguments]
    done = stopped.kith(*given, check=False)
    assert done.returncode == 2, done.stdout
    assert text in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_the_status_says_that_something_was_not_taken(tmp_path: Path, stopped: RunningServer) -> None:
    file = tmp_path / "one.xml"
    file.write_text(user(KEYS + "<query xmlns='jabber:iq:roster'><item jid='@'/></query>"))
    done = stopped.kith("import", str(file), check=False)
    assert done.returncode == 1
    assert "Not taken: contacts: not an address: ada@new.example: @" in done.stdout
