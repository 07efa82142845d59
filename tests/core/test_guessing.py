"""Guessing passwords: the world is slowed down, the owner is not, and nobody learns who exists."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest
from websockets.asyncio.client import ClientConnection, connect

from kith.base.attempts import ACCOUNT, ADDRESS, FREE
from tests.conftest import RunningServer, running
from tests.raw import plain

HOME = "198.51.100.7"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
SASL2 = "urn:xmpp:sasl:2"
AGENT = "<user-agent id='{}'/>"
REFUSED = "temporary-auth-failure"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data") as it:
        for name in ("ada", "ben", "cyd", "dot", "eve", "+491701234567"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


class Visitor:
    """A client from any address: it comes through a proxy on the server's machine."""

    def __init__(self, server: RunningServer, address: str, claims: str = "") -> None:
        self._url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
        self._address = address
        self._claims = f" from='{claims}@localhost'" if claims else ""
        self._socket: ClientConnection | None = None
        self.features = ""

    async def __aenter__(self) -> Visitor:
        headers = {"X-Forwarded-For": f"10.9.8.7, {self._address}"}
        self._socket = await connect(self._url, subprotocols=["xmpp"], additional_headers=headers)  # type: ignore[list-item]
        await self.say(
            f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'{self._claims}/>"
        )
        self.features = await self.hear()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._socket is not None
        self._socket.transport.abort()

    async def say(self, text: str) -> str:
        assert self._socket is not None
        await self._socket.send(text)
        return await self.hear()

    async def hear(self) -> str:
        assert self._socket is not None
        async with asyncio.timeout(60):
            return str(await self._socket.recv())


def result(answer: str) -> str:
    """``success`` or the condition of the failure."""
    if answer.startswith("<success"):
        return "success"
    found = re.search(r"<failure xmlns='[^']*'><([a-z-]+) ", answer)
    assert found, answer
    return found[1]


def auth(user: str, password: str) -> str:
    return f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain(user, password)}</auth>"


async def attempt(server: RunningServer, address: str, user: str, password: str = "wrong") -> str:
    async with Visitor(server, address) as visitor:
        return result(await visitor.say(auth(user, password)))


async def botnet(server: RunningServer, user: str, block: int, count: int = ACCOUNT[0] + 5) -> list[str]:
    """Wrong attempts from as many addresses, at the same time."""
    addresses = [f"203.0.{block}.{number}" for number in range(count)]
    return sorted(await asyncio.gather(*(attempt(server, address, user) for address in addresses)))


async def token_of(server: RunningServer, user: str, agent: str) -> str:
    request = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
    async with Visitor(server, HOME) as visitor:
        answer = await visitor.say(
            f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{plain(user, 'pw')}"
            f"</initial-response>{AGENT.format(agent)}{request}</authenticate>"
        )
    found = re.search(r" token='([^']*)'", answer) or re.search(r' token="([^"]*)"', answer)
    assert found, answer
    return found[1]


def by_token(user: str, token: str, agent: str) -> str:
    proof = hmac.digest(token.encode(), b"Initiator", "sha256")
    data = b64encode(f"{user}\0".encode() + proof).decode()
    return (
        f"<authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-NONE'><initial-response>{data}"
        f"</initial-response>{AGENT.format(agent)}<fast xmlns='urn:xmpp:fast:0'/></authenticate>"
    )


async def test_an_owner_gets_in_by_token_or_from_home_while_the_world_guesses(server: RunningServer) -> None:
    agent = str(uuid.uuid4())
    token = await token_of(server, "ada", agent)
    found = await botnet(server, "ada", 113)
    assert set(found) == {"not-authorized", REFUSED}
    assert ACCOUNT[0] <= found.count("not-authorized") <= ACCOUNT[0] + 2  # one a minute is forgotten
    assert await attempt(server, "203.0.113.200", "ada", "pw") == REFUSED, "nobody else, even if right"
    assert await attempt(server, HOME, "ada", "pw") == "success"
    assert await attempt(server, HOME, "ada", "wrong") == "not-authorized"
    assert await attempt(server, HOME, "ada", "pw") == "success"
    async with Visitor(server, "203.0.113.201") as visitor:
        assert result(await visitor.say(by_token("ada", token, agent))) == "success"
    assert await attempt(server, "203.0.113.201", "ada", "pw") == "success", "its address is known now"
    assert await attempt(server, "203.0.113.202", "ben", "pw") == "success", "others are not concerned"


async def test_a_name_that_nobody_has_is_bounded_just_as_one_that_somebody_has(server: RunningServer) -> None:
    there, nobody = await asyncio.gather(botnet(server, "cyd", 114), botnet(server, "nobody", 115))
    for found in (there, nobody):
        assert set(found) == {"not-authorized", REFUSED}
        assert ACCOUNT[0] <= found.count("not-authorized") <= ACCOUNT[0] + 2


async def test_an_address_that_guesses_at_many_accounts_waits_and_its_owner_does_not(
    server: RunningServer,
) -> None:
    address = "192.0.2.55"
    assert await attempt(server, address, "dot", "pw") == "success"
    names = [f"name{number}" for number in range(ADDRESS[0] + 10)]
    found = await asyncio.gather(*(attempt(server, address, name) for name in names))
    assert ADDRESS[0] <= found.count("not-authorized") <= ADDRESS[0] + 6  # one in 15 seconds is forgotten
    assert REFUSED in found
    assert await attempt(server, address, "dot", "pw") == "success"
    assert await attempt(server, "192.0.2.56", "name0") == "not-authorized"


async def test_wrong_answers_get_slower(server: RunningServer) -> None:
    for number in range(FREE):
        await attempt(server, f"203.0.116.{number}", "eve")
    start = time.monotonic()
    for number in range(FREE, FREE + 3):
        assert await attempt(server, f"203.0.116.{number}", "eve") == "not-authorized"
    assert time.monotonic() - start > 1.7
    assert await attempt(server, "203.0.116.99", "eve", "pw") == "success"


async def conversation(server: RunningServer, address: str, user: str, mechanism: str) -> list[str]:
    """All that a wrong login gets to see, without what is random."""
    seen = []
    async with Visitor(server, address, claims=user) as visitor:
        seen.append(visitor.features)
        if mechanism.startswith("HT-"):
            agent = str(uuid.uuid4())
            seen.append(
                await visitor.say(by_token(user, "x" * 44, agent).replace("HT-SHA-256-NONE", mechanism))
            )
        elif mechanism == "PLAIN":
            seen.append(await visitor.say(auth(user, "wrong")))
        elif mechanism == "PLAIN2":
            seen.append(
                await visitor.say(
                    f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'>"
                    f"<initial-response>{plain(user, 'wrong')}</initial-response></authenticate>"
                )
            )
        else:
            first = b64encode(f"n,,n={user},r=abc".encode()).decode()
            answer = await visitor.say(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>")
            challenge = answer.partition(">")[2].partition("<")[0]
            fields = dict(part.split("=", 1) for part in b64decode(challenge).decode().split(","))
            assert len(b64decode(fields["s"])) == 16
            seen.append(f"{sorted(fields)} {fields['i']} {len(fields['r'])}")
            size = hashlib.new(mechanism.removeprefix("SCRAM-").replace("-", "").lower()).digest_size
            proof = b64encode(b"p" * size).decode()
            final = b64encode(f"c=biws,r={fields['r']},p={proof}".encode()).decode()
            seen.append(await visitor.say(f"<response xmlns='{SASL}'>{final}</response>"))
    return [text.replace(f"{user}@localhost", "USER") for text in seen]


MECHANISMS = ("PLAIN", "PLAIN2", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "HT-SHA-256-NONE")


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_wrong_login_sees_the_same_whether_there_is_an_account_or_not(
    server: RunningServer, mechanism: str
) -> None:
    block = MECHANISMS.index(mechanism)
    there = await conversation(server, f"198.18.{block}.1", "+491701234567", mechanism)
    nobody = await conversation(server, f"198.18.{block}.2", "+491707654321", mechanism)
    assert there == nobody
    assert "not-authorized" in there[-1]


async def salt(server: RunningServer, user: str) -> str:
    async with Visitor(server, "198.18.250.1") as visitor:
        first = b64encode(f"n,,n={user},r=abc".encode()).decode()
        answer = await visitor.say(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
    challenge = b64decode(answer.partition(">")[2].partition("<")[0]).decode()
    return challenge.partition(",s=")[2].partition(",")[0]


async def test_a_salt_is_the_same_each_time_and_however_a_name_is_written(server: RunningServer) -> None:
    for name in ("ben", "absent"):
        salts = {await salt(server, text) for text in (name, name.upper(), f"{name}@localhost", name)}
        assert len(salts) == 1, name


def test_the_operator_is_told_whom_it_was_tried_on(server: RunningServer, tmp_path: Path) -> None:
    """After the tests above."""
    lines = [line for line in server.log.read_text().splitlines() if "too many failed logins" in line]
    assert any("of=account" in line and "account=ada@localhost" in line for line in lines)
    assert any("of=address" in line and "address=192.0.2.55" in line for line in lines)
    assert "+491701234567" not in server.log.read_text()
