"""XEP-0484: what a token can and can't do, over time, over several connections, and in a thief's hands."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.records.device import LIFETIME, ROTATE_AFTER, Changed, Device, Token
from kith.records.devices import MAX_DEVICES, SPACE, Devices
from kith.store.sqlite import SQLiteStore
from tests.conftest import RunningServer
from tests.core.test_sasl2 import BIND2, ENABLE, FAST, REQUEST, SASL2, agent, ask, by_token, condition, once
from tests.core.test_sasl2 import plain as by_password
from tests.core.test_websocket import WebClient
from tests.core.test_websocket import plain as websocket
from tests.raw import RawClient, body, online

WITHOUT_BINDING = REQUEST.format("NONE")


@pytest.fixture(scope="module", autouse=True)
def accounts(server: RunningServer) -> None:
    for name in ("ann", "ben", "cyn", "dot"):
        server.add_user(name)


async def token_of(server: RunningServer, user: str, id: str) -> str:
    answer = await once(server.port, by_password(user, agent(id) + WITHOUT_BINDING))
    return answer.find(f"{FAST}token").get("token") or ""  # type: ignore[union-attr]


async def fate(
    server: RunningServer, user: str, token: str, id: str, inside: str = "", fast: str = ""
) -> str:
    """``success``, ``renewed`` if there is a new token, or the condition of the failure."""
    answer = await once(server.port, by_token(user, token, id, inside, fast=fast))
    if answer.tag == SASL2 + "success":
        return "success" if answer.find(f"{FAST}token") is None else "renewed"
    return condition(answer)


@asynccontextmanager
async def database(server: RunningServer) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(server.data_dir / "kith.sqlite")
    await store.open()
    yield store
    await store.close()


async def change(server: RunningServer, user: str, work: Callable[[Device], None]) -> None:
    """Changes all devices of an account as they are stored."""
    async with database(server) as store:
        record = await store.account(f"{user}@localhost")
        assert record is not None
        for document in await store.documents(record.id, SPACE):
            device = msgspec.msgpack.decode(document.value, type=Device)
            work(device)
            await store.put(record.id, SPACE, document.key, msgspec.msgpack.encode(device))


def older(seconds: float) -> Callable[[Device], None]:
    def work(device: Device) -> None:
        for token in (device.current, device.new):
            if token is not None:
                token.made = time.time() - seconds

    return work


async def test_a_reconnect_is_one_flight_until_the_session_is_usable(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    ben = await online(server.port, "ben")
    async with RawClient(server.port) as client:
        login = by_token("ann", token, id, BIND2.format(ENABLE))
        client.open(sender="ann@localhost", then=login)
        await client.succeeded()
        ben.send(f"<message to='{client.jid}' type='chat'><body>there already</body></message>")
        assert body(await client.message()) == "there already"
        session = client.success.find(".//{urn:xmpp:sm:3}enabled")
        assert session is not None
        assert client.flights == 1
    async with RawClient(server.port) as client:
        resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{session.get('id')}' h='1'/>"
        client.open(sender="ann@localhost", then=by_token("ann", token, id, resume))
        await client.succeeded()
        ben.send(f"<message to='{client.jid}' type='chat'><body>and again</body></message>")
        assert body(await client.message()) == "and again"
        assert client.flights == 1
    ben.abort()


async def test_a_browser_comes_back_with_a_token(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    async with websocket(server) as connection:
        client = WebClient(connection)
        await client.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")
        await client.send(by_token("ann", token, id, BIND2.format(ENABLE)))
        assert (await client.take("success")).find("{urn:xmpp:bind:0}bound") is not None


async def test_a_token_ends_and_is_renewed_in_time(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "cyn", id)
    assert await fate(server, "cyn", token, id) == "success"
    await change(server, "cyn", older(ROTATE_AFTER + 60))
    assert await fate(server, "cyn", token, id) == "renewed"
    # the client may have missed the answer: the old one stays until the new one is used
    assert await fate(server, "cyn", token, id) == "renewed"
    await change(server, "cyn", older(LIFETIME + 60))
    assert await fate(server, "cyn", token, id) == "credentials-expired"


async def test_who_logs_out_gets_no_new_token_unless_it_asks(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "cyn", id)
    await change(server, "cyn", older(ROTATE_AFTER + 60))
    assert await fate(server, "cyn", token, id, fast="invalidate='1'") == "success"
    assert await fate(server, "cyn", token, id) == "credentials-expired"
    token = await token_of(server, "cyn", id)
    assert await fate(server, "cyn", token, id, WITHOUT_BINDING, fast="invalidate='true'") == "renewed"


async def test_a_count_goes_up(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    assert await fate(server, "ann", token, id, fast="count='5'") == "success"
    for replayed in ("5", "4", "1"):
        assert await fate(server, "ann", token, id, fast=f"count='{replayed}'") == "not-authorized"
    for wrong in ("0", "-1", "x", "9" * 30, "²"):
        assert await fate(server, "ann", token, id, fast=f"count='{wrong}'") == "malformed-request"
    assert await fate(server, "ann", token, id, fast="count='6'") == "success"
    new = await token_of(server, "ann", id)
    assert await fate(server, "ann", new, id, fast="count='1'") == "success"


async def test_who_has_counted_can_not_leave_the_count_out(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    assert await fate(server, "ann", token, id) == "success"
    assert await fate(server, "ann", token, id, fast="count='5'") == "success"
    assert await fate(server, "ann", token, id) == "not-authorized"
    assert await fate(server, "ann", token, id, fast="count='6'") == "success"


async def test_a_token_that_was_good_once_has_expired_and_others_are_wrong(server: RunningServer) -> None:
    """XEP-0484 §4.2; a client may try its password again after the one, and must not after the other."""
    id = str(uuid.uuid4())
    first = await token_of(server, "dot", id)
    assert await fate(server, "dot", first, id) == "success"
    unused = await token_of(server, "dot", id)
    second = await token_of(server, "dot", id)
    assert await fate(server, "dot", second, id) == "success"
    for ended in (first, unused):
        assert await fate(server, "dot", ended, id) == "credentials-expired"
    assert await fate(server, "dot", "x" * 44, id) == "not-authorized"
    assert await fate(server, "dot", second, str(uuid.uuid4())) == "not-authorized"
    assert await fate(server, "nobody", second, id) == "not-authorized"
    server.kith("device", "revoke", "dot@localhost", "--all")
    assert await fate(server, "dot", second, id) == "credentials-expired"
    third = await token_of(server, "dot", id)
    server.kith("user", "passwd", "dot@localhost", "--password", "pw")
    assert await fate(server, "dot", third, id) == "credentials-expired"
    assert await fate(server, "dot", await token_of(server, "dot", id), id) == "success"


async def test_one_device_may_log_in_over_several_connections_at_once(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    fates = await asyncio.gather(*(fate(server, "ann", token, id) for _ in range(10)))
    assert fates == ["success"] * 10
    count = await asyncio.gather(*(fate(server, "ann", token, id, fast="count='1'") for _ in range(10)))
    assert sorted(count) == ["not-authorized"] * 9 + ["success"]


async def test_without_a_device_there_is_no_token(server: RunningServer) -> None:
    answer = await once(server.port, by_password("ann", WITHOUT_BINDING))
    assert answer.tag == SASL2 + "success"
    assert answer.find(f"{FAST}token") is None
    unknown = REQUEST.format("ENDP")  # there is no channel to bind to
    answer = await once(server.port, by_password("ann", agent(str(uuid.uuid4())) + unknown))
    assert answer.find(f"{FAST}token") is None


async def test_a_copy_of_the_data_folder_gives_no_token(server: RunningServer) -> None:
    """The id that a client gives itself is part of its token, and is not kept."""
    id = uuid.uuid4()
    token = await token_of(server, "dot", str(id))
    assert len(base64.urlsafe_b64decode(token)) == 32
    kept = server.on_disk()
    assert b"dot@localhost" in kept
    for secret in (str(id).encode(), id.hex.encode(), id.bytes, token.encode()):
        assert secret not in kept
    log = server.log.read_text()
    assert str(id) not in log
    assert token not in log


async def test_an_account_has_so_many_devices_and_the_longest_unused_goes(server: RunningServer) -> None:
    ids = [str(uuid.uuid4()) for _ in range(MAX_DEVICES + 3)]
    tokens = [await token_of(server, "ben", ids[0])]
    await asyncio.sleep(3)  # what other processes did before this test is taken up
    async with RawClient(server.port) as oldest:
        await ask(oldest, by_token("ben", tokens[0], ids[0], BIND2.format("")))
        tokens += [await token_of(server, "ben", id) for id in ids[1:]]
        assert (await oldest.tag("error"))[0].tag.endswith("not-authorized")
    listed = server.kith("device", "list", "ben").stdout.splitlines()
    assert len(listed) == MAX_DEVICES + 1  # with the heading
    assert await fate(server, "ben", tokens[-1], ids[-1]) == "success"
    assert await fate(server, "ben", tokens[0], ids[0]) == "credentials-expired"


async def test_a_device_with_a_terrible_name_can_be_listed(server: RunningServer) -> None:
    about = (
        f"<user-agent id='{uuid.uuid4()}'><software>[red]x[/red]&#10;y</software>"
        f"<device>\u202e{'z' * 5000}</device></user-agent>"
    )
    await once(server.port, by_password("dot", about))
    listed = server.kith("device", "list", "dot").stdout
    assert "[red]x[/red] y" in listed
    assert "\u202e" not in listed
    assert listed.count("z") <= 100


async def test_what_is_revoked_while_it_logs_in_is_not_written_back(server: RunningServer) -> None:
    async with database(server) as store:
        devices = Devices(store, Clock(), Randomness(), Secret(b"secret"))
        record = await store.account("dot@localhost")
        assert record is not None
        id = str(uuid.uuid4())
        entry = await devices.enter(record.id, id)
        devices.issue(record, id, entry.device, "HT-SHA-256-NONE")
        await devices.save(entry)
        entry = await devices.enter(record.id, id)
        gone = await devices.forget(record.id, entry.device.id)
        assert [device.id for device in gone] == [entry.device.id]
        entry.device.promote(entry.device.new)  # type: ignore[arg-type]
        with pytest.raises(Changed):
            await devices.save(entry)
        assert await devices.find(record.id, id) is None


async def test_a_token_is_derived_from_all_that_it_depends_on(server: RunningServer) -> None:
    async with database(server) as store:
        records = [await store.account(f"{name}@localhost") for name in ("ann", "ben")]
        made = {
            Devices(store, Clock(), Randomness(), Secret(secret)).token(
                record, id, Token(number, mechanism, 0.0)
            )
            for secret in (b"one", b"two")
            for record in records
            if record is not None
            for id in ("a", "b")
            for number in (bytes(16), bytes(15) + b"x")
            for mechanism in ("HT-SHA-256-NONE", "HT-SHA-256-ENDP")
        }
        assert len(made) == 32


async def test_the_proof_of_the_server_is_not_that_of_the_client(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    reflected = hmac.digest(token.encode(), b"Responder", "sha256")
    own = hmac.digest(token.encode(), b"Initiator", "sha256")
    request = by_token("ann", token, id)
    for proof in (reflected, own[:16], b"", own + b"x"):
        data = base64.b64encode(b"ann\0" + proof).decode()
        right = base64.b64encode(b"ann\0" + own).decode()
        assert condition(await once(server.port, request.replace(right, data))) == "not-authorized"
    for broken in (b"ann", b"\xff\0" + own):
        data = base64.b64encode(broken).decode()
        assert condition(await once(server.port, request.replace(right, data))) == "malformed-request"
