"""XEP-0480: accounts get keys of better hashes as their people log in; and SCRAM-SHA-512."""

from __future__ import annotations

import base64
import hashlib
from itertools import count
from xml.etree.ElementTree import Element

import pytest
from scramp import ScramClient

from kith.accounts.credentials import make_keys
from kith.base.randomness import Randomness
from kith.core.login.upgrade import _keys
from kith.records.passwords import new_salts
from kith.store.sqlite import SQLiteStore
from tests.conftest import RunningServer
from tests.core.test_fast import fate, token_of
from tests.core.test_sasl2 import by_token
from tests.raw import SASL2, RawClient, authenticate, condition

UPGRADE = "urn:xmpp:sasl:upgrade:0"
SCRAM = "urn:xmpp:scram-upgrade:0"
BOTH = "".join(f"<upgrade xmlns='{UPGRADE}'>UPGR-SCRAM-SHA-{size}</upgrade>" for size in (256, 512))
_numbers = count()


async def keys_of(server: RunningServer, user: str, *hashes: str) -> set[str]:
    """The hashes for which an account has keys; takes away others than ``hashes`` first, if there are any."""
    store = SQLiteStore(server.data_dir / "kith.sqlite")
    await store.open()
    try:
        record = await store.account(f"{user}@localhost")
        assert record is not None
        if hashes:
            await store.set_keys(record.jid, {name: record.keys[name] for name in hashes})
            return set(hashes)
        return set(record.keys)
    finally:
        await store.close()


@pytest.fixture
async def old(server: RunningServer) -> str:
    """An account with SHA-1 alone."""
    user = f"old{next(_numbers)}"
    server.add_user(user)
    await keys_of(server, user, "SHA-1")
    return user


async def connected(server: RunningServer, sender: str = "") -> tuple[RawClient, Element]:
    client = RawClient(server.port)
    await client.connect()
    client.open(sender=f"{sender}@localhost" if sender else "")
    return client, await client.tag("features")


def offered(features: Element) -> tuple[list[str], list[str]]:
    """Mechanisms, and upgrades."""
    offer = features.find(f"{{{SASL2}}}authentication")
    assert offer is not None
    mechanisms = [e.text or "" for e in offer.findall(f"{{{SASL2}}}mechanism")]
    assert mechanisms == [e.text for e in features.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")]
    return mechanisms, [e.text or "" for e in offer.findall(f"{{{UPGRADE}}}upgrade")]


async def scram(client: RawClient, user: str, hash_name: str, inline: str = "") -> Element:
    """Authenticates. What the server says then."""
    mechanism = f"SCRAM-{hash_name}"
    login = ScramClient([mechanism], user, "pw")
    first = base64.b64encode(login.get_client_first().encode()).decode()
    client.send(authenticate(user, mechanism=mechanism, data=first, inline=inline))
    challenge = await client.take(lambda e: e.tag.startswith(f"{{{SASL2}}}"))
    if not challenge.tag.endswith("challenge"):
        return challenge
    login.set_server_first(base64.b64decode(challenge.text or "").decode())
    final = base64.b64encode(login.get_client_final().encode()).decode()
    client.send(f"<response xmlns='{SASL2}'>{final}</response>")
    answer = await client.take(lambda e: e.tag.startswith(f"{{{SASL2}}}"))
    if proof := answer.findtext(f"{{{SASL2}}}additional-data"):
        login.set_server_final(base64.b64decode(proof).decode())
    return answer


def task(answer: Element) -> str:
    assert answer.tag == f"{{{SASL2}}}continue", answer.tag
    (only,) = answer.iter(f"{{{SASL2}}}task")
    return only.text or ""


async def salt(client: RawClient, task: str) -> tuple[bytes, int]:
    client.send(f"<next xmlns='{SASL2}' task='{task}'/>")
    element = (await client.tag("task-data"))[0]
    assert element.tag == f"{{{SCRAM}}}salt"
    return base64.b64decode(element.text or ""), int(element.get("iterations") or 0)


def data(value: bytes) -> str:
    text = base64.b64encode(value).decode()
    return f"<task-data xmlns='{SASL2}'><hash xmlns='{SCRAM}'>{text}</hash></task-data>"


async def perform(client: RawClient, task: str, password: bytes = b"pw") -> Element:
    """Does a task. What the server says then."""
    name = task.removeprefix("UPGR-SCRAM-").replace("-", "").lower()
    salted = hashlib.pbkdf2_hmac(name, password, *await salt(client, task))
    client.send(data(salted))
    return await client.take(lambda e: e.tag.startswith(f"{{{SASL2}}}"))


def refused(answer: Element) -> str:
    assert answer.tag == f"{{{SASL2}}}failure", answer.tag
    return answer[0].tag.partition("}")[2]


async def test_a_new_account_has_all_hashes_and_logs_in_with_each(server: RunningServer) -> None:
    server.add_user("new")
    for name in ("SHA-1", "SHA-256", "SHA-512"):
        client, features = await connected(server, "new")
        mechanisms, upgrades = offered(features)
        assert mechanisms == ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
        assert not upgrades
        assert (await scram(client, "new", name, BOTH)).tag.endswith("success")


async def test_who_says_nothing_is_offered_what_all_accounts_have(server: RunningServer, old: str) -> None:
    basic = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
    assert offered((await connected(server))[1]) == (basic, [])
    # and who names nobody sees what a new account has
    unknown = offered((await connected(server, "nobody"))[1])
    assert unknown == (["SCRAM-SHA-512", *basic], [])


async def test_an_old_account_gets_better_keys_at_a_login(server: RunningServer, old: str) -> None:
    client, features = await connected(server, old)
    assert offered(features) == (["SCRAM-SHA-1", "PLAIN"], ["UPGR-SCRAM-SHA-512", "UPGR-SCRAM-SHA-256"])
    answer = await scram(client, old, "SHA-1", BOTH + "<bind xmlns='urn:xmpp:bind:0'/>")
    assert answer.find(f"{{{SASL2}}}additional-data") is not None
    assert task(answer) == "UPGR-SCRAM-SHA-512"
    answer = await perform(client, "UPGR-SCRAM-SHA-512")
    assert task(answer) == "UPGR-SCRAM-SHA-256"
    answer = await perform(client, "UPGR-SCRAM-SHA-256")
    assert answer.tag == f"{{{SASL2}}}success"
    client.jid = answer.findtext(f"{{{SASL2}}}authorization-identifier") or ""
    assert client.jid.startswith(f"{old}@localhost/")
    await client.available()
    for name in ("SHA-1", "SHA-256", "SHA-512"):
        other, features = await connected(server, old)
        assert offered(features)[1] == []
        assert (await scram(other, old, name)).tag.endswith("success")
    plain, _ = await connected(server)
    plain.send(authenticate(old))
    await plain.succeeded()


async def test_only_what_is_asked_for_is_done(server: RunningServer, old: str) -> None:
    client, _ = await connected(server, old)
    asked = (
        f"<upgrade xmlns='{UPGRADE}'>UPGR-SCRAM-SHA-256</upgrade><upgrade xmlns='{UPGRADE}'>UPGR-X</upgrade>"
    )
    client.send(authenticate(old, inline=asked))  # PLAIN may upgrade too
    assert task(await client.tag("continue")) == "UPGR-SCRAM-SHA-256"
    assert (await perform(client, "UPGR-SCRAM-SHA-256")).tag.endswith("success")
    assert await keys_of(server, old) == {"SHA-1", "SHA-256"}
    assert offered((await connected(server, old))[1])[1] == ["UPGR-SCRAM-SHA-512"]


@pytest.mark.parametrize(
    ("element", "error"),
    [
        (data(b"x" * 20), "malformed-request"),
        (data(b"x" * 32), "malformed-request"),
        (data(b""), "malformed-request"),
        (data(b"x" * 20_000), "malformed-request"),
        (f"<task-data xmlns='{SASL2}'><hash xmlns='{SCRAM}'>!</hash></task-data>", "incorrect-encoding"),
        (f"<task-data xmlns='{SASL2}'/>", "malformed-request"),
        (f"<task-data xmlns='{SASL2}'><x xmlns='urn:x'/></task-data>", "malformed-request"),
        (f"<next xmlns='{SASL2}' task='UPGR-SCRAM-SHA-512'/>", "malformed-request"),
        (f"<response xmlns='{SASL2}'>AA==</response>", "malformed-request"),
        (f"<abort xmlns='{SASL2}'/>", "aborted"),
    ],
)
async def test_a_wrong_hash_fails_the_login_and_changes_nothing(
    server: RunningServer, old: str, element: str, error: str
) -> None:
    client, _ = await connected(server, old)
    assert task(await scram(client, old, "SHA-1", BOTH)) == "UPGR-SCRAM-SHA-512"
    await salt(client, "UPGR-SCRAM-SHA-512")
    client.send(element)
    assert refused(await client.tag("failure")) == error
    assert await keys_of(server, old) == {"SHA-1"}
    client.send("<presence/>")
    assert condition(await client.tag("error")) == "not-authorized"


@pytest.mark.parametrize(
    "element",
    [
        f"<next xmlns='{SASL2}' task='UPGR-SCRAM-SHA-256'/>",
        f"<next xmlns='{SASL2}' task='UPGR-SCRAM-SHA-1'/>",
        f"<next xmlns='{SASL2}'/>",
        data(b"x" * 64),
    ],
)
async def test_a_task_that_is_not_the_one_to_be_done(server: RunningServer, old: str, element: str) -> None:
    client, _ = await connected(server, old)
    await scram(client, old, "SHA-1", BOTH)
    client.send(element)
    assert refused(await client.tag("failure")) == "malformed-request"


@pytest.mark.parametrize(
    "traffic", ["<presence/>", authenticate("ada"), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"]
)
async def test_nobody_is_logged_in_before_the_tasks_are_done(
    server: RunningServer, old: str, traffic: str
) -> None:
    client, _ = await connected(server, old)
    await scram(client, old, "SHA-1", BOTH)
    client.send(traffic)
    assert condition(await client.tag("error")) == "not-authorized"


async def test_a_task_without_a_login_is_refused(server: RunningServer) -> None:
    client, _ = await connected(server)
    client.send(f"<next xmlns='{SASL2}' task='UPGR-SCRAM-SHA-512'/>")
    assert refused(await client.tag("failure")) == "malformed-request"


async def test_who_has_a_token_only_sets_no_keys(server: RunningServer, old: str) -> None:
    """Else a stolen token would be worth a password."""
    id = "d4565fa7-4d72-4749-b3d3-740edbf87770"
    token = await token_of(server, old, id)
    client, _ = await connected(server, old)
    client.send(by_token(old, token, id, BOTH))
    await client.succeeded()
    assert await keys_of(server, old) == {"SHA-1"}


async def test_a_token_outlives_an_upgrade(server: RunningServer, old: str) -> None:
    id = "d4565fa7-4d72-4749-b3d3-740edbf87770"
    token = await token_of(server, old, id)
    client, _ = await connected(server, old)
    await scram(client, old, "SHA-1", BOTH)
    await perform(client, "UPGR-SCRAM-SHA-512")
    assert (await perform(client, "UPGR-SCRAM-SHA-256")).tag.endswith("success")
    assert await fate(server, old, token, id) == "success"


async def test_a_password_changed_meanwhile_is_not_undone(server: RunningServer, old: str) -> None:
    client, _ = await connected(server, old)
    await scram(client, old, "SHA-1", BOTH)
    server.kith("user", "passwd", old, "--password", "new")
    assert refused(await perform(client, "UPGR-SCRAM-SHA-512")) == "not-authorized"
    client, _ = await connected(server, old)
    client.send(authenticate(old, "new"))
    await client.succeeded()


@pytest.mark.parametrize("name", ["SHA-256", "SHA-512"])
def test_the_keys_are_those_that_the_password_gives(name: str) -> None:
    keys = make_keys("pencil", new_salts(Randomness()))[name]
    salted = hashlib.pbkdf2_hmac(name.replace("-", "").lower(), b"pencil", keys.salt, keys.iterations)
    assert _keys(name, salted, keys.salt) == keys
