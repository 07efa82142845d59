"""How another server is reached: TLS from the first byte (XEP-0368), and why it is not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kith.base.randomness import Randomness
from kith.federation.connection import Connector
from kith.federation.failures import Failure, NotFound, Unreachable, Untrusted, returned
from kith.federation.resolver import Resolver
from kith.wire.parser import ParserPool
from tests.conftest import free_ports
from tests.federation.world import Names, World

HEADER = (
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1' "
    b"from='two.test' version='1.0'><stream:features/>"
)


@pytest.fixture
def connector(here: World) -> Connector:
    context = ssl.create_default_context(cafile=here.authority.file)
    resolver = Resolver(Randomness(), f"127.0.0.1:{here.names.port}")
    return Connector(resolver, context, ParserPool())


@pytest.fixture
def names(here: World) -> Names:
    """The name server, which knows nobody."""
    here.names.zone.clear()
    return here.names


@asynccontextmanager
async def server(certificate: tuple[Path, Path] | None) -> AsyncIterator[int]:
    """A server on a port of loopback, with TLS from the first byte, or none at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"version='1.0'>")
        writer.write(HEADER)
        await reader.read()
        writer.close()

    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def failure(connector: Connector) -> Failure:
    with pytest.raises(Failure) as raised:
        await connector.connect("one.test", "two.test")
    return raised.value


async def test_a_server_with_tls_from_the_first_byte_is_reached(
    here: World, names: Names, connector: Connector
) -> None:
    async with server(here.authority.certificate("x", names="two.test")) as port:
        names.add("two.test", port, "xmpps-server")
        connection = await connector.connect("one.test", "two.test")
        assert connection.id == "1"
        connection.close()


@pytest.mark.parametrize(
    ("name", "days", "expected"),
    [("other.test", 1, "Hostname mismatch"), ("two.test", -1, "certificate has expired")],
)
async def test_a_certificate_that_proves_nothing_is_named(
    here: World, names: Names, connector: Connector, name: str, days: int, expected: str
) -> None:
    async with server(here.authority.certificate("x", names=name, days=days)) as port:
        names.add("two.test", port, "xmpps-server")
        problem = await failure(connector)
    assert isinstance(problem, Untrusted)
    assert expected in str(problem)


async def test_a_server_without_tls_is_named(names: Names, connector: Connector) -> None:
    async with server(None) as port:
        names.add("two.test", port)
        problem = await failure(connector)
    assert isinstance(problem, Untrusted)
    assert str(problem) == "it offers no TLS"


async def test_a_server_that_is_down_is_waited_for_if_its_domain_names_it(
    names: Names, connector: Connector
) -> None:
    (port,) = free_ports(1)
    names.add("two.test", port)
    problem = await failure(connector)
    assert (type(problem), str(problem), problem.permanent, problem.doubtful) == (
        Unreachable,
        "connection refused",
        False,
        False,
    )
    assert returned("two.test", problem).type == "wait"


async def test_a_domain_without_a_record_may_have_no_server(
    names: Names, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kith.federation import resolver

    (port,) = free_ports(1)
    monkeypatch.setattr(resolver, "PORT", port)
    names.zone["two.test", "A"] = ["127.0.0.1"]
    problem = await failure(connector)
    assert problem.doubtful
    assert returned("two.test", problem).condition == "remote-server-not-found"


@pytest.mark.parametrize("target", ["", "."])
async def test_a_domain_that_has_no_server_says_so(names: Names, connector: Connector, target: str) -> None:
    if target:
        names.zone["_xmpp-server._tcp.two.test", "SRV"] = ["0 0 0 ."]
    problem = await failure(connector)
    assert isinstance(problem, NotFound)
    error = returned("two.test", problem)
    assert (error.condition, error.type) == ("remote-server-not-found", "cancel")
    assert "DNS" in error.text


async def test_one_server_of_several_that_may_come_back_is_a_reason_to_wait(
    here: World, names: Names, connector: Connector
) -> None:
    async with server(here.authority.certificate("x", names="other.test")) as port:
        names.add("two.test", port, "xmpps-server")
        (closed,) = free_ports(1)
        names.add("two.test", closed)
        problem = await failure(connector)
    assert not problem.permanent
