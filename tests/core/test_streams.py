"""Streams before a resource is bound: TLS, SASL, errors and bounds (RFC 6120 §4 to §7)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from scramp import ScramClient

from kith.core.login import sasl
from kith.edge.exporter import tls_exporter
from kith.edge.tls import Certificates
from kith.ports.connection import Security
from tests.conftest import RunningServer, running
from tests.raw import Gone, RawClient, condition, online

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
HEAD = (
    "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server as it comes: no passwords without TLS; and little patience."""
    folder = tmp_path_factory.mktemp("strict") / "data"
    with running(folder, allow_plaintext="off", auth_timeout="2", stanza_bytes="20000") as server:
        server.add_user("ada", "secret")
        yield server


async def connected(server: RunningServer) -> RawClient:
    client = RawClient(server.port)
    await client.connect()
    return client


def fingerprintless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def start_tls(client: RawClient, context: ssl.SSLContext | None = None) -> ssl.SSLObject:
    """STARTTLS; returns the TLS object."""
    client.open()
    await client.tag("features")
    client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await client.tag("proceed")
    client._task.cancel()
    await client._writer.start_tls(context or fingerprintless())
    client._task = asyncio.create_task(client._read())
    client.open()
    return client._writer.get_extra_info("ssl_object")


def mechanisms(features: object) -> list[str]:
    return [e.text for e in features.iter(f"{{{SASL}}}mechanism")]


async def test_without_tls_nothing_is_offered_but_tls(strict: RunningServer) -> None:
    client = await connected(strict)
    client.open()
    features = await client.tag("features")
    assert [child.tag.partition("}")[2] for child in features] == ["starttls"]
    assert features[0][0].tag.endswith("required")
    client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGFkYQBzZWNyZXQ=</auth>")
    assert (await client.tag("failure"))[0].tag.endswith("encryption-required")


@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-256"])
@pytest.mark.parametrize(
    ("binding", "version"),
    [
        (None, "TLSv1.3"),
        ("tls-server-end-point", "TLSv1.3"),
        ("tls-exporter", "TLSv1.3"),
        ("tls-unique", "TLSv1.3"),  # not defined there, not announced, and used by some
        ("tls-server-end-point", "TLSv1.2"),
        ("tls-unique", "TLSv1.2"),
    ],
)
async def test_scram_logs_in_with_and_without_channel_binding(
    strict: RunningServer, hash_name: str, binding: str | None, version: str
) -> None:
    client = await connected(strict)
    context = fingerprintless()
    if version == "TLSv1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    tls = await start_tls(client, context)
    assert tls.version() == version
    features = await client.tag("features")
    offered = mechanisms(features)
    name = f"SCRAM-{hash_name}" + ("-PLUS" if binding else "")
    assert offered[:2] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]
    assert name in offered
    types = [e.get("type") for e in features.iter("{urn:xmpp:sasl-cb:0}channel-binding")]
    own = "tls-exporter" if version == "TLSv1.3" else "tls-unique"
    assert sorted(types) == sorted(["tls-server-end-point", own])
    data = None
    if binding == "tls-server-end-point":
        data = (binding, hashlib.sha256(tls.getpeercert(binary_form=True)).digest())
    elif binding == "tls-unique":
        data = (binding, tls.get_channel_binding("tls-unique"))
    elif binding == "tls-exporter":
        data = (binding, tls_exporter(tls))
    scram = ScramClient([name], "ada", "secret", channel_binding=data)
    first = base64.b64encode(scram.get_client_first().encode()).decode()
    client.send(f"<auth xmlns='{SASL}' mechanism='{name}'>{first}</auth>")
    challenge = await client.tag("challenge")
    scram.set_server_first(base64.b64decode(challenge.text).decode())
    final = base64.b64encode(scram.get_client_final().encode()).decode()
    client.send(f"<response xmlns='{SASL}'>{final}</response>")
    success = await client.tag("success")
    scram.set_server_final(base64.b64decode(success.text).decode())
    client.open()
    await client.tag("features")
    assert await client.bind("here") == "ada@localhost/here"


async def test_a_stripped_list_of_mechanisms_is_noticed(strict: RunningServer) -> None:
    """RFC 5802 §6: "y" says that the client saw no channel binding, but it was offered."""
    client = await connected(strict)
    await start_tls(client)
    await client.tag("features")
    first = base64.b64encode(b"y,,n=ada,r=abcdefgh").decode()
    client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
    assert (await client.tag("failure"))[0].tag.endswith("not-authorized")


@pytest.mark.parametrize("binding", ["tls-exporter", "tls-unique", "tls-server-end-point"])
async def test_a_channel_binding_of_another_connection_logs_nobody_in(
    strict: RunningServer, binding: str
) -> None:
    """What somebody in the middle can pass on is bound to their own connection."""
    client = await connected(strict)
    await start_tls(client)
    await client.tag("features")
    scram = ScramClient(["SCRAM-SHA-256-PLUS"], "ada", "secret", channel_binding=(binding, b"x" * 32))
    first = base64.b64encode(scram.get_client_first().encode()).decode()
    client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256-PLUS'>{first}</auth>")
    scram.set_server_first(base64.b64decode((await client.tag("challenge")).text).decode())
    final = base64.b64encode(scram.get_client_final().encode()).decode()
    client.send(f"<response xmlns='{SASL}'>{final}</response>")
    assert (await client.tag("failure"))[0].tag.endswith("not-authorized")


async def test_a_refused_channel_binding_is_no_failed_guess(strict: RunningServer) -> None:
    """Clients try one after the other; a bound ends it at some time."""
    client = await connected(strict)
    await start_tls(client)
    await client.tag("features")
    for first in (b"p=tls-unknown,,n=ada,r=abcdefgh", b"y,,n=ada,r=abcdefgh") * 4:
        mechanism = "SCRAM-SHA-256" + ("-PLUS" if first.startswith(b"p") else "")
        text = base64.b64encode(first).decode()
        client.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>")
        await client.tag("failure")
    plain = base64.b64encode(b"\0ada\0secret").decode()
    client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain}</auth>")
    await client.tag("success")


async def test_refusals_of_channel_bindings_have_a_bound(strict: RunningServer) -> None:
    client = await connected(strict)
    await start_tls(client)
    await client.tag("features")
    text = base64.b64encode(b"y,,n=ada,r=abcdefgh").decode()
    for _ in range(12):
        client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{text}</auth>")
        await client.tag("failure")
    assert condition(await client.tag("error")) == "policy-violation"


def test_without_tls_exporter_classic_sasl_has_no_channel_binding() -> None:
    """Clients would answer with it, be refused, and come back with the password in the clear."""
    security = Security(True, bindings={"tls-server-end-point": b"x"}, classic_plus=False)
    assert sasl.mechanisms(security, classic=True) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
    assert sasl.mechanisms(security)[:2] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]


async def test_an_unknown_user_can_not_be_told_from_a_wrong_password(strict: RunningServer) -> None:
    seen = []
    for user in ("ada", "nobody", "nobody"):
        client = await connected(strict)
        await start_tls(client)
        await client.tag("features")
        scram = ScramClient(["SCRAM-SHA-256"], user, "wrong")
        first = base64.b64encode(scram.get_client_first().encode()).decode()
        client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
        server_first = base64.b64decode((await client.tag("challenge")).text).decode()
        scram.set_server_first(server_first)
        final = base64.b64encode(scram.get_client_final().encode()).decode()
        client.send(f"<response xmlns='{SASL}'>{final}</response>")
        assert (await client.tag("failure"))[0].tag.endswith("not-authorized")
        seen.append([part for part in server_first.split(",") if part[0] in "si"])
    assert seen[0][1] == seen[1][1]  # the same number of iterations
    assert seen[1] == seen[2]  # and a salt that stays


@pytest.mark.parametrize(
    ("auth", "error"),
    [
        (f"<auth xmlns='{SASL}' mechanism='NONSENSE'/>", "invalid-mechanism"),
        (f"<auth xmlns='{SASL}' mechanism='PLAIN'>!!!</auth>", "incorrect-encoding"),
        (f"<auth xmlns='{SASL}' mechanism='PLAIN'>AAAA</auth>", "malformed-request"),
        (f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>bm9uc2Vuc2U=</auth>", "malformed-request"),
        (f"<abort xmlns='{SASL}'/>", "aborted"),
        (f"<response xmlns='{SASL}'>AA==</response>", "malformed-request"),
    ],
)
async def test_sasl_errors_are_the_standards(server: RunningServer, auth: str, error: str) -> None:
    client = await connected(server)
    client.open()
    await client.tag("features")
    client.send(auth)
    assert (await client.tag("failure"))[0].tag.partition("}")[2] == error


async def test_too_many_wrong_passwords_end_the_stream(server: RunningServer) -> None:
    client = await connected(server)
    client.open()
    await client.tag("features")
    for _ in range(4):
        client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AG5vAG5v</auth>")
        assert (await client.tag("failure"))[0].tag.endswith("not-authorized")
    assert condition(await client.tag("error")) == "policy-violation"
    await client.end()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (HEAD.replace("localhost", "elsewhere"), "host-unknown"),
        (HEAD.replace("to='localhost' ", ""), "improper-addressing"),
        (HEAD.replace("jabber:client", "jabber:nonsense"), "invalid-namespace"),
        (HEAD.replace("http://etherx.jabber.org/streams", "urn:x"), "invalid-namespace"),
        (HEAD.replace("1.0", "0.9"), "unsupported-version"),
        (HEAD.replace("1.0", "²"), "unsupported-version"),
        ("<nonsense/>", "bad-format"),
        ("<stream:stream to='localhost'>", "bad-namespace-prefix"),
        ("not xml", "not-well-formed"),
        ("<?xml version='1.0' encoding='latin-1'?>" + HEAD, "unsupported-encoding"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>" + HEAD, "restricted-xml"),
        (HEAD + "<!-- a comment -->", "restricted-xml"),
        (HEAD + "<?php ?>", "restricted-xml"),
        (HEAD + "<a>&b;</a>", "restricted-xml"),
        (HEAD + "<a></b>", "not-well-formed"),
        (HEAD + "<message/>", "not-authorized"),
        (HEAD + "<presence " + "x" * 70000, "policy-violation"),
    ],
)
async def test_stream_errors_are_the_standards(server: RunningServer, text: str, error: str) -> None:
    client = await connected(server)
    client.send(text)
    assert condition(await client.tag("error")) == error
    assert client.header is not None
    assert client.header.get("from") == "localhost"
    await client.end()


async def test_a_stanza_beyond_the_bound_ends_the_stream_and_no_other(strict: RunningServer) -> None:
    client = await connected(strict)
    await start_tls(client)
    await client.tag("features")
    token = base64.b64encode(b"\0ada\0secret").decode()
    client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
    await client.tag("success")
    client.open()
    await client.tag("features")
    await client.bind()
    client.send(f"<message to='ada@localhost'><body>{'x' * 30000}</body></message>")
    assert condition(await client.tag("error")) == "policy-violation"


async def test_who_does_not_authenticate_in_time_is_cut_off(strict: RunningServer) -> None:
    client = await connected(strict)
    client.open()
    await client.tag("features")
    assert condition(await client.tag("error")) == "connection-timeout"
    await client.end()


async def test_direct_tls_speaks_xmpp_when_alpn_asks_for_it(server: RunningServer) -> None:
    context = fingerprintless()
    context.set_alpn_protocols(["xmpp-client"])
    reader, writer = await asyncio.open_connection("127.0.0.1", server.xmpps_port, ssl=context)
    tls = writer.get_extra_info("ssl_object")
    assert tls.selected_alpn_protocol() == "xmpp-client"
    assert tls.version() in ("TLSv1.2", "TLSv1.3")
    writer.write(HEAD.encode())
    answer = await reader.readuntil(b"</stream:features>")
    assert b"SCRAM-SHA-256-PLUS" in answer
    assert b"starttls" not in answer
    writer.transport.abort()


def test_tls_below_1_2_is_refused(server: RunningServer) -> None:
    """Whatever ciphers a system allows with it: that it has none in common is not enough."""
    certificates = Certificates(server.data_dir / "certificate.pem", server.data_dir / "private-key.pem")
    for name in ("starttls", "direct", "https", "servers", "to_servers"):
        assert getattr(certificates, name).minimum_version == ssl.TLSVersion.TLSv1_2, name
    client = fingerprintless()
    client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", server.xmpps_port), 5) as plain,
        pytest.raises(ssl.SSLError),
    ):
        client.wrap_socket(plain)


async def test_a_renewed_certificate_is_used_without_a_restart(server: RunningServer, tmp_path: Path) -> None:
    server.add_user("steady")
    steady = await online(server.port, "steady")

    def presented() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", server.xmpps_port), 5) as plain,
            fingerprintless().wrap_socket(plain) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""

    before = presented()
    with running(tmp_path / "other") as other:  # has made a certificate of its own
        renewed = other.data_dir
    for name in ("private-key.pem", "certificate.pem"):
        os.replace(renewed / name, server.data_dir / name)
    os.kill(server.pid, signal.SIGHUP)
    async with asyncio.timeout(15):
        while presented() == before:
            await asyncio.sleep(0.1)
    await steady.ping()


async def test_a_stream_ends_politely(server: RunningServer) -> None:
    server.add_user("polite")
    client = await online(server.port, "polite")
    client.send("</stream:stream>")
    await client.end()
    with pytest.raises(Gone):
        await client.tag("error")


async def test_a_stanza_without_a_language_has_that_of_its_stream(server: RunningServer) -> None:
    """RFC 6120 §8.1.5."""
    server.add_user("anna")
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    speaking = await connected(server)
    speaking.open()
    await speaking.tag("features")
    token = base64.b64encode(b"\0anna\0pw").decode()
    speaking.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
    await speaking.tag("success")
    speaking._restart()
    speaking.send(HEAD.replace("version=", "xml:lang='de' version="))
    await speaking.tag("features")
    await speaking.bind()
    await speaking.available()
    speaking.send("<message to='anna@localhost'><body>hallo</body></message>")
    assert (await speaking.message()).get(lang) == "de"
    speaking.send("<message to='anna@localhost' xml:lang='fr'><body>salut</body></message>")
    assert (await speaking.message()).get(lang) == "fr"


async def test_what_answers_the_same_bytes_comes_in_one_packet(server: RunningServer) -> None:
    """A phone's radio is woken by packets, and each costs the server a call."""
    client = socket.create_connection(("127.0.0.1", server.port))
    try:
        client.settimeout(10)
        client.sendall(HEAD.encode())
        first = await asyncio.to_thread(client.recv, 65536)
    finally:
        client.close()
    assert b"<stream:stream" in first
    assert b"</stream:features>" in first


@pytest.mark.parametrize("user", ["name", "NAME", "name@localhost", "Name@LOCALHOST", "\uff4eame@localhost."])
async def test_a_name_logs_in_however_it_is_written(server: RunningServer, user: str) -> None:
    """Names are compared as RFC 7622 prepares them, the domain's too."""
    if user == "name":
        server.add_user("name")
    client = await connected(server)
    await client.login(user)
    assert (await client.bind()).startswith("name@localhost/")
    client.abort()


@pytest.mark.parametrize(
    "user", ["name@elsewhere.example", "name@", "@localhost", "name@localhost@localhost"]
)
async def test_a_name_of_another_domain_is_nobody(server: RunningServer, user: str) -> None:
    client = await connected(server)
    client.open()
    await client.tag("features")
    token = base64.b64encode(f"\0{user}\0pw".encode()).decode()
    client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
    assert (await client.tag("failure"))[0].tag.endswith("not-authorized")
    client.abort()
