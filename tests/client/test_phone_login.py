"""`kith login`, `kith link` and `kith devices` in a terminal, and the SDK with the token that they store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import msgspec
import pexpect
import pytest

from kith.client import Client, LoginFailed
from kith.client.api import base_url
from kith.client.credential import Credential, load
from kith.client.database import Database
from kith.records.device import Device as Stored
from kith.records.devices import SPACE
from tests.api.person import Device, Person
from tests.api.test_app_passwords import Scram
from tests.api.test_devices import forget_codes
from tests.conftest import RunningServer

SECONDS = 30


class Machine:
    """A computer of somebody's, with a home of its own."""

    def __init__(self, server: RunningServer, home: Path) -> None:
        self.server = server
        self.home = home
        home.mkdir()
        self.data = home / "data"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
        self.environ = kept | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "share"),
            "KITH_SERVER": f"http://127.0.0.1:{server.http_port}",
            "KITH_HOST": "127.0.0.1",
            "KITH_PORT": str(server.port),
            "COLUMNS": "140",
            "TERM": "dumb",
            "NO_COLOR": "1",
        }

    def run(self, *arguments: str) -> Any:
        return pexpect.spawn(
            sys.executable,
            ["-m", "kith", *arguments],
            env=self.environ,
            timeout=SECONDS,
            encoding="utf-8",
            dimensions=(50, 140),
        )

    async def says(self, *arguments: str, status: int = 0) -> str:
        """All that a command prints that asks nothing."""
        child = self.run(*arguments)
        await child.expect(pexpect.EOF, async_=True)
        child.close()
        assert child.exitstatus == status, child.before
        return str(child.before)

    async def log_in(self, person: Person, *options: str) -> str:
        """With the code. Returns the last of what is shown."""
        child = self.run("login", person.number, *options)
        await child.expect("Code", async_=True)
        child.sendline(person.code())
        await child.expect(pexpect.EOF, async_=True)
        child.close()
        assert child.exitstatus == 0, child.before
        return str(child.before)

    def client(self, person: Person, **settings: Any) -> Client:
        """The SDK, on this machine's data, without a password."""
        folder = self.home / "share" / "kith" / f"{person.number}@localhost"
        return Client(
            f"{person.number}@localhost",
            data=folder,
            host="127.0.0.1",
            port=self.server.port,
            **settings,
        )


@pytest.fixture
def machine(server: RunningServer, tmp_path: Path) -> Machine:
    return Machine(server, tmp_path / "one")


async def test_a_person_logs_in_and_chats_without_a_password(machine: Machine, server: RunningServer) -> None:
    person = Person(server)
    shown = await machine.log_in(person)
    assert "Welcome to Kith" in shown
    assert f"{person.number}@localhost" in shown
    friend = await Person(server).register()
    other = await friend.online(server.port)
    async with machine.client(person) as me:  # in TLS, bound to the server's certificate
        await me.send(other.bare, "hello", encrypted=False)
        assert (await other.message()).findtext("{jabber:client}body") == "hello"
    async with machine.client(person) as me:
        assert me.jid == f"{person.number}@localhost"
    other.abort()


async def test_wrong_codes_are_asked_for_again(machine: Machine, server: RunningServer) -> None:
    person = Person(server)
    child = machine.run("login", person.number)
    await child.expect("Code", async_=True)
    child.sendline("12")
    await child.expect("six digits", async_=True)
    code = person.code()
    child.sendline(f"{(int(code) + 1) % 1_000_000:06}")
    await child.expect("4 tries left", async_=True)
    child.sendline(f"{code[:3]} {code[3:]}")
    await child.expect("Welcome to Kith", async_=True)
    await child.expect(pexpect.EOF, async_=True)


async def test_the_pin_is_asked_for(machine: Machine, server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    await person.done("PUT", "/api/pin", {"pin": "246802"}, phone)
    forget_codes(server)
    child = machine.run("login", person.number)
    await child.expect("Code", async_=True)
    child.sendline(person.code())
    await child.expect("has a PIN", async_=True)
    child.sendline("000000")
    await child.expect("The PIN is wrong", async_=True)
    child.sendline("246802")
    await child.expect("Logged in", async_=True)
    await child.expect("Earlier messages stay on your other devices", async_=True)
    await child.expect(pexpect.EOF, async_=True)


async def test_what_does_not_work_is_said_in_one_line(machine: Machine, server: RunningServer) -> None:
    assert "Write it with the country's code" in await machine.says("login", "0170 1234567", status=1)
    closed = "http://127.0.0.1:9"
    said = await machine.says("login", "+49 170 1234567", "--server", closed, status=1)
    assert f"Can't reach {closed}" in said
    assert "no encryption" in await machine.says("login", "+49", "--server", "http://example.org", status=1)
    assert "kith login" in await machine.says("devices", status=1)
    assert "Traceback" not in said


async def test_devices_are_listed_renamed_and_logged_out(machine: Machine, server: RunningServer) -> None:
    person = Person(server)
    await machine.log_in(person, "--name", "desk")
    forget_codes(server)
    laptop = await person.register("old laptop")
    table = await machine.says("devices")
    assert "desk (this one)" in table
    assert "old laptop" in table
    id = laptop.login["device"]
    assert "attic" in await machine.says("devices", "rename", id[:12], "attic")
    assert "attic" in await machine.says("devices")
    assert "attic is logged out" in await machine.says("devices", "revoke", id)
    assert "attic" not in await machine.says("devices")
    assert "No device" in await machine.says("devices", "revoke", id, status=1)
    assert await laptop.refused(server.port)


async def test_another_app_gets_a_password_and_is_out_again(machine: Machine, server: RunningServer) -> None:
    person = Person(server)
    await machine.log_in(person)
    assert "kith apps add" in await machine.says("apps")
    shown = await machine.says("apps", "add", "Gajim [desk]")
    assert "Gajim [desk]" in shown
    password = re.search(r"\w{4}(-\w{4}){4}", shown)
    assert password is not None
    async with Scram(server.port) as client:
        assert await client.scram("SCRAM-SHA-256", person.number, password[0]) == "success"
    table = await machine.says("apps")
    assert "Gajim [desk]" in table
    id = re.search(r"[0-9a-f]{16}", table)
    assert id is not None
    assert "is logged out" in await machine.says("apps", "revoke", id[0])
    async with Scram(server.port) as client:
        assert await client.scram("SCRAM-SHA-256", person.number, password[0]) == "not-authorized"
    assert "No app" in await machine.says("apps", "revoke", id[0], status=1)


async def test_a_pin_is_set_and_removed(machine: Machine, server: RunningServer) -> None:
    person = Person(server)
    await machine.log_in(person)

    async def needed() -> bool:
        forget_codes(server)
        return (await person.try_to_register("new", await person.send_code())).error == "pin-required"

    for answers, last, expected in (
        (("12",), "six digits", False),
        (("123456", "123457"), "are different", False),
        (("123456", "123456"), "The PIN is set", True),
    ):
        child = machine.run("pin")
        for answer in answers:
            await child.expect(":", async_=True)
            child.sendline(answer)
        await child.expect(last, async_=True)
        await child.expect(pexpect.EOF, async_=True)
        assert await needed() is expected
    assert "The PIN was removed" in await machine.says("pin", "--remove")
    assert not await needed()


async def test_a_device_comes_in_by_the_link_that_another_one_reads(
    machine: Machine, server: RunningServer, tmp_path: Path
) -> None:
    person = Person(server)
    await machine.log_in(person)
    other = Machine(server, tmp_path / "other")
    child = other.run("link", "--name", "the [new] one")
    await child.expect(r"(http://127\.0\.0\.1:\d+/link#\S+)", async_=True)
    code = child.match[1]
    refused = machine.run("link", code)
    await refused.expect("Approve it", async_=True)
    refused.sendline("n")
    await refused.expect(pexpect.EOF, async_=True)
    assert "It is logged in" in await machine.says("link", code, "--yes")
    await child.expect("Linked", async_=True)
    await child.expect("Earlier messages stay on your other devices", async_=True)
    await child.expect(pexpect.EOF, async_=True)
    assert "the [new] one" in await machine.says("devices")
    async with other.client(person), machine.client(person):
        pass
    assert "not the code" in await machine.says("link", "nonsense", status=1)


async def test_a_device_that_was_logged_out_is_told_what_to_do(
    machine: Machine, server: RunningServer
) -> None:
    person = Person(server)
    await machine.log_in(person)
    forget_codes(server)
    phone = await person.register("phone")
    listed = (await person.ask("GET", "/api/devices", device=phone)).body["devices"]
    (desk,) = [device["id"] for device in listed if not device["current"]]
    client = machine.client(person)
    async with client:
        await person.done("DELETE", f"/api/devices/{desk}", device=phone)
        async with asyncio.timeout(SECONDS):
            with pytest.raises(LoginFailed, match="kith login"):
                async for _ in client.messages():
                    pass
    with pytest.raises(LoginFailed, match="kith login"):
        async with machine.client(person):
            pass


async def test_a_token_that_gets_old_is_renewed_and_kept(machine: Machine, server: RunningServer) -> None:
    person = Person(server)
    await machine.log_in(person)
    folder = machine.home / "share" / "kith" / f"{person.number}@localhost"
    before = load(folder)
    assert before is not None
    make_older(server, person.number, days=8)
    async with machine.client(person):
        pass
    after = load(folder)
    assert after is not None
    assert after.token != before.token
    async with machine.client(person):
        pass
    old = Device({"address": before.address, "agent": before.agent, "token": before.token})
    assert (await person.ask("GET", "/api/devices", device=old)).status == 401


def make_older(server: RunningServer, number: str, days: float) -> None:
    """As if the tokens of an account had been given some days before."""
    with (
        contextlib.closing(sqlite3.connect(server.data_dir / "kith.sqlite", timeout=10)) as database,
        database,
    ):
        find = (
            "SELECT account, key, value FROM document WHERE space = ? AND account = "
            "(SELECT id FROM account WHERE jid = ?)"
        )
        for account, key, value in database.execute(find, (SPACE, f"{number}@localhost")).fetchall():
            held = msgspec.msgpack.decode(value, type=Stored)
            for token in (held.current, held.new):
                if token is not None:
                    token.made -= days * 86400
            update = "UPDATE document SET value = ? WHERE account = ? AND space = ? AND key = ?"
            database.execute(update, (msgspec.msgpack.encode(held), account, SPACE, key))


async def test_nobody_without_a_login_is_asked_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LoginFailed, match="kith login"):
        async with Client("+491701234567@localhost", data=tmp_path / "nobody"):
            pass


def test_the_token_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    db = Database(tmp_path / "account")
    made = Credential("a@localhost", "agent", "secret-token", "HT-SHA-256-NONE", "0" * 16, "http://localhost")
    made.save(db)
    db.close()
    assert load(tmp_path / "account") == made
    for file in (tmp_path / "account").iterdir():
        assert not file.stat().st_mode & 0o077, file


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("chat.example.org", "https://chat.example.org"),
        ("https://chat.example.org:8443/", "https://chat.example.org:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_server_is_written_as_one_likes(text: str, base: str) -> None:
    assert base_url(text) == base


@pytest.mark.parametrize("text", ["http://example.org", "ftp://localhost", "https://", ""])
def test_nothing_secret_goes_over_a_network_readable(text: str) -> None:
    with pytest.raises(ValueError, match=re.compile("encryption|address")):
        base_url(text)
