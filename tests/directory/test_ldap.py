"""What an LDAP directory is asked, and what happens when it does not answer, or not as it should."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kith.config import Config, ConfigError, load
from kith.directory.ldap import THREADS, LDAPDirectory
from kith.ports.directory import DirectoryUnavailable
from tests.directory.slapd import PEOPLE, READER, Slapd, slapd
from tests.federation.world import Authority


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd")) as it:
        it.add("ada", "Lovelace")
        it.add("ben", "Ben's (secret)")
        it.add("guest", "pw", kind="guest")
        it.add("jürgen", "Größe")
        yield it


@asynccontextmanager
async def directory(people: Slapd, **changed: Any) -> AsyncIterator[LDAPDirectory]:
    given = people.settings() | changed
    given["ldap_ca"] = Path(given["ldap_ca"]) if given["ldap_ca"] else None
    it = LDAPDirectory(Config(**given), connect=2, answer=2)
    try:
        yield it
    finally:
        await it.close()


@pytest.mark.parametrize("url", ["secure", "plain"])
async def test_a_person_is_known_by_their_password_over_tls_or_starttls(people: Slapd, url: str) -> None:
    async with directory(people, ldap_url=getattr(people, url)) as there:
        assert await there.check("ada", "Lovelace")
        assert await there.check("jürgen", "Größe")
        assert await there.check("ben", "Ben's (secret)")
        for name, password in (("ada", "lovelace"), ("ada", "Ben's (secret)"), ("eve", "Lovelace")):
            assert not await there.check(name, password)


async def test_an_empty_password_is_wrong_although_a_bind_with_it_succeeds(people: Slapd) -> None:
    async with directory(people) as there:
        for name, password in (
            ("ada", ""),
            ("", "Lovelace"),
            ("", ""),
            ("ada", "Lovelace\0x"),
            ("ada\0", "x"),
        ):
            assert not await there.check(name, password)


@pytest.mark.parametrize(
    "name", ["*", "a*", "ada)(uid=*", "ada)(|(uid=*)", "\\61da", "(uid=ada)", "ada,cn=x"]
)
async def test_a_name_is_only_a_name_whatever_is_in_it(people: Slapd, name: str) -> None:
    async with directory(people) as there:
        assert not await there.check(name, "Lovelace")
        assert await there.existing([name]) == set()


async def test_who_does_not_match_the_filter_can_not_log_in(people: Slapd) -> None:
    async with directory(people, ldap_filter="(&(uid={name})(employeeType=staff))") as there:
        assert await there.check("ada", "Lovelace")
        assert not await there.check("guest", "pw")
        assert await there.existing(["ada", "guest", "ben"]) == {"ada", "ben"}


async def test_a_name_that_several_people_have_is_nobodys(people: Slapd) -> None:
    async with directory(people, ldap_filter="(|(uid={name})(employeeType=staff))") as there:
        assert not await there.check("ada", "Lovelace")


async def test_those_who_are_there_are_found_also_where_an_answer_is_cut_off(
    tmp_path: Path,
) -> None:
    with slapd(tmp_path, limit=3) as few:
        names = [f"person{number}" for number in range(8)]
        for name in names:
            few.add(name)
        async with directory(few) as there:
            assert await there.existing([*names, "nobody"]) == set(names)
            assert await there.existing([]) == set()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ldap_password": "wrong"}, "ldap_user can't log in"),
        ({"ldap_user": "", "ldap_password": ""}, "ldap_user may not search ldap_base"),
        ({"ldap_base": "ou=nowhere,dc=example,dc=org"}, "has no ldap_base"),
        ({"ldap_ca": ""}, "certificate verify failed"),
    ],
)
async def test_a_wrong_setting_says_what_it_is_without_the_password(
    people: Slapd, changed: dict[str, str], reason: str
) -> None:
    async with directory(people, **changed) as there:
        with pytest.raises(DirectoryUnavailable, match=reason) as error:
            await there.check("ada", "Lovelace")
        for secret in ("Lovelace", "Re4der", "wrong"):
            assert secret not in str(error.value)


async def test_a_directory_with_the_certificate_of_another_name_gets_no_password(
    people: Slapd, tmp_path: Path
) -> None:
    async with directory(people, ldap_url=people.secure.replace("localhost", "127.0.0.1")) as there:
        with pytest.raises(DirectoryUnavailable, match="certificate"):
            await there.check("ada", "Lovelace")
    other = Authority(tmp_path)
    async with directory(people, ldap_url=people.plain, ldap_ca=str(other.file)) as there:
        with pytest.raises(DirectoryUnavailable, match="certificate verify failed"):
            await there.check("ada", "Lovelace")


async def test_a_password_is_never_sent_unencrypted(people: Slapd) -> None:
    """To a server that has no TLS, or says so."""
    sent: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read(4096))
        refusal = bytes.fromhex("300c02010178070a010204000400")  # StartTLS: protocolError
        writer.write(refusal)
        sent.append(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with directory(people, ldap_url=f"ldap://127.0.0.1:{port}") as there:
        with pytest.raises(DirectoryUnavailable):
            await there.check("ada", "Lovelace")
    server.close()
    assert b"1.3.6.1.4.1.1466.20037" in sent[0]
    assert not any(secret in part for part in sent for secret in (b"Re4der", b"Lovelace", READER.encode()))


async def test_if_the_first_server_is_down_the_second_is_asked(people: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"ldaps://127.0.0.1:{closed.getsockname()[1]}"
    async with directory(people, ldap_url=f"{nowhere} {people.secure}") as there:
        assert await there.check("ada", "Lovelace")
    async with directory(people, ldap_url=nowhere) as there:
        with pytest.raises(DirectoryUnavailable, match=r"127\.0\.0\.1"):
            await there.check("ada", "Lovelace")


async def test_a_directory_that_does_not_answer_holds_up_nobody(people: Slapd) -> None:
    """Neither the loop, nor for longer than its timeout; and beyond a bound, at once."""
    people.freeze(True)
    try:
        async with directory(people) as there:
            begun = time.monotonic()
            asked = [asyncio.create_task(there.check("ada", "Lovelace")) for _ in range(THREADS)]
            longest = 0.0
            while not all(one.done() for one in asked):
                before = time.monotonic()
                await asyncio.sleep(0.01)
                longest = max(longest, time.monotonic() - before)
            assert longest < 1.0
            assert time.monotonic() - begun < 20
            for one in asked:
                assert isinstance(one.exception(), DirectoryUnavailable)
    finally:
        people.freeze(False)
    async with directory(people) as there:
        there._waiting = 10_000
        with pytest.raises(DirectoryUnavailable, match="too many"):
            await there.check("ada", "Lovelace")


def load_toml(tmp_path: Path, toml: str) -> Config:
    file = tmp_path / "kith.toml"
    file.write_text(toml)
    return load(file, {})


GOOD = f'ldap_url = "ldaps://one.example ldap://two.example:1389"\nldap_base = "{PEOPLE}"\n'


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ('ldap_url = "https://ldap.example.org"\nldap_base = "x"', r"ldap_url.*ldaps://"),
        ('ldap_url = "ldaps://a.example/ou=people"\nldap_base = "x"', r"ldap_url.*only a host"),
        ('ldap_url = "ldaps://a.example:many"\nldap_base = "x"', r"ldap_url.*not a URL"),
        ('ldap_url = "ldaps://a.example"', r"ldap_base"),
        (f'ldap_base = "{PEOPLE}"', r"ldap_base.*no effect without ldap_url"),
        (GOOD + 'ldap_filter = "(uid=ada)"', r"ldap_filter.*\{name\}"),
        (GOOD + 'ldap_filter = "(&(uid={name})(a=b)"', r"ldap_filter.*not a filter"),
        (GOOD + 'ldap_filter = "uid={name}"', r"ldap_filter.*not a filter"),
        (GOOD + 'ldap_filter = "(uid={name})(a=b)"', r"ldap_filter.*not a filter"),
        (GOOD + 'ldap_user = "cn=kith"', r"ldap_user.*ldap_password"),
        (GOOD + 'ldap_password = "x"', r"ldap_password.*ldap_user"),
        (GOOD + "ldap_check_seconds = 0", r"ldap_check_seconds.*at least 1"),
    ],
)
def test_wrong_settings_are_refused_with_one_line(tmp_path: Path, toml: str, reason: str) -> None:
    assert load_toml(tmp_path, GOOD).ldap_filter == "(uid={name})"
    with pytest.raises(ConfigError, match=reason):
        load_toml(tmp_path, toml)
