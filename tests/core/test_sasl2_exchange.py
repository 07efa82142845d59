"""XEP-0388: one exchange logs in, and its failures leave the stream as it was."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import pytest
from scramp import ScramClient

from tests.conftest import RunningServer, running
from tests.core.test_streams import connected, fingerprintless, start_tls
from tests.core.test_websocket import WebClient
from tests.core.test_websocket import plain as websocket
from tests.raw import SASL2, RawClient, authenticate, condition, plain

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND2 = "urn:xmpp:bind:0"


@pytest.fixture(scope="module", autouse=True)
def ada(server: RunningServer) -> None:
    server.add_user("ada")
    server.add_user("ben")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server as it comes: no passwords without TLS."""
    with running(tmp_path_factory.mktemp("strict") / "data", allow_plaintext="off") as server:
        server.add_user("ada")
        yield server


def names(element: Element | None) -> list[str]:
    assert element is not None
    return [child.tag.partition("}")[2] for child in element]


def offered(features: Element) -> Element:
    found = features.find(f"{{{SASL2}}}authentication")
    assert found is not None
    return found


def failure(element: Element) -> str:
    assert element.tag == f"{{{SASL2}}}failure"
    assert element[0].tag.startswith(f"{{{SASL}}}")
    return element[0].tag.partition("}")[2]


async def test_it_is_offered_with_what_can_be_done_inline(server: RunningServer) -> None:
    client = await connected(server)
    client.open()
    features = await client.tag("features")
    offer = offered(features)
    mechanisms = [e.text for e in offer.findall(f"{{{SASL2}}}mechanism")]
    assert mechanisms == [e.text for e in features.iter(f"{{{SASL}}}mechanism")]
    inline = offer.find(f"{{{SASL2}}}inline")
    assert inline is not None
    assert inline.find("{urn:xmpp:sm:3}sm") is not None
    bind = inline.find(f"{{{BIND2}}}bind")
    assert bind is not None
    assert {e.get("var") for e in bind.iter(f"{{{BIND2}}}feature")} >= {"urn:xmpp:sm:3", "urn:xmpp:carbons:2"}


async def test_it_is_not_offered_without_tls(strict: RunningServer) -> None:
    client = await connected(strict)
    client.open(then=authenticate("ada"))
    assert names(await client.tag("features")) == ["starttls"]
    assert failure(await client.tag("failure")) == "encryption-required"


async def test_the_stream_goes_on_after_success(server: RunningServer) -> None:
    client = await connected(server)
    client.open()
    await client.tag("features")
    client.send(authenticate("ada"))
    success = await client.succeeded()
    assert success.findtext(f"{{{SASL2}}}authorization-identifier") == "ada@localhost"
    assert names(success) == ["authorization-identifier"]
    features = await client.tag("features")
    assert {"bind", "sm", "ver"} <= set(names(features))
    assert "authentication" not in names(features)
    assert await client.bind("old") == "ada@localhost/old"
    await client.available()


@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-256"])
@pytest.mark.parametrize("plus", [False, True])
async def test_scram_over_tls_with_and_without_channel_binding(
    strict: RunningServer, hash_name: str, plus: bool
) -> None:
    client = await connected(strict)
    tls = await start_tls(client)
    features = await client.tag("features")
    types = [e.get("type") for e in features.iter("{urn:xmpp:sasl-cb:0}channel-binding")]
    assert "tls-server-end-point" in types  # beside <authentication/>, as XEP-0440 has it
    name = f"SCRAM-{hash_name}" + ("-PLUS" if plus else "")
    assert name in [e.text for e in offered(features).findall(f"{{{SASL2}}}mechanism")]
    certificate = tls.getpeercert(binary_form=True) or b""
    data = ("tls-server-end-point", hashlib.sha256(certificate).digest()) if plus else None
    scram = ScramClient([name], "ada", "pw", channel_binding=data)
    first = base64.b64encode(scram.get_client_first().encode()).decode()
    client.send(authenticate("ada", mechanism=name, data=first, inline=f"<bind xmlns='{BIND2}'/>"))
    challenge = await client.tag("challenge")
    assert challenge.tag == f"{{{SASL2}}}challenge"
    scram.set_server_first(base64.b64decode(challenge.text or "").decode())
    final = base64.b64encode(scram.get_client_final().encode()).decode()
    client.send(f"<response xmlns='{SASL2}'>{final}</response>")
    success = await client.succeeded()
    proof = success.findtext(f"{{{SASL2}}}additional-data") or ""
    scram.set_server_final(base64.b64decode(proof).decode())
    assert client.jid.startswith("ada@localhost/")
    await client.available()


async def test_header_and_login_come_in_one_packet(server: RunningServer) -> None:
    client = await connected(server)
    await client.login2("ada", f"<bind xmlns='{BIND2}'/>")
    assert client.flights == 1
    await client.ping()


async def test_direct_tls(server: RunningServer) -> None:
    client = RawClient(server.xmpps_port)
    client.tls = fingerprintless()
    await client.connect()
    await client.login2("ada", f"<bind xmlns='{BIND2}'/>")
    assert client.flights == 1
    await client.available()


async def test_websocket(server: RunningServer) -> None:
    async with websocket(server) as connection:
        client = WebClient(connection)
        framing = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
        head = f"<open {framing} to='localhost' from='ada@localhost' version='1.0'/>"
        await client.send(head)
        await client.send(authenticate("ada", inline=f"<bind xmlns='{BIND2}'><tag>Web</tag></bind>"))
        success = await client.take("success")
        jid = success.findtext(f"{{{SASL2}}}authorization-identifier") or ""
        assert jid.startswith("ada@localhost/Web/")
        assert "bind" not in names(await client.take("features"))
        await client.send("<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert (await client.take("iq")).get("to") == jid


@pytest.mark.parametrize(
    ("element", "error"),
    [
        (authenticate("ada", "wrong"), "not-authorized"),
        (authenticate("nobody"), "not-authorized"),
        (authenticate("ada", mechanism="NONSENSE"), "invalid-mechanism"),
        (authenticate("ada", mechanism="HT-SHA-256-NONE"), "malformed-request"),
        (f"<authenticate xmlns='{SASL2}'/>", "invalid-mechanism"),
        (authenticate("ada", data="!!!"), "incorrect-encoding"),
        (authenticate("ada", data="AAAA"), "malformed-request"),
        (authenticate("ada", data="A" * 20_000), "malformed-request"),
        (authenticate("ada", data=plain("ada", "pw", "ben@localhost")), "invalid-authzid"),
        (f"<abort xmlns='{SASL2}'/>", "aborted"),
        (f"<response xmlns='{SASL2}'>AA==</response>", "malformed-request"),
    ],
)
async def test_a_failure_leaves_the_stream_as_it_was(server: RunningServer, element: str, error: str) -> None:
    client = await connected(server)
    client.open()
    await client.tag("features")
    client.send(element)
    assert failure(await client.tag("failure")) == error
    client.send(authenticate("ada", inline=f"<bind xmlns='{BIND2}'/>"))
    await client.succeeded()
    await client.ping()


async def test_what_failed_binds_nothing(server: RunningServer) -> None:
    watch = await connected(server)
    await watch.login2("ben", f"<bind xmlns='{BIND2}'/>")
    await watch.available()
    client = await connected(server)
    client.open(then=authenticate("ben", "wrong", inline=f"<bind xmlns='{BIND2}'/>"))
    assert names(await client.tag("failure")) == ["not-authorized"]
    client.send("<presence/>")
    assert condition(await client.tag("error")) == "not-authorized"
    await watch.expect_nothing("presence")


async def test_an_initial_response_that_is_missing_is_asked_for(server: RunningServer) -> None:
    client = await connected(server)
    client.open(then=f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'/>")
    assert not (await client.tag("challenge")).text
    client.send(f"<response xmlns='{SASL2}'>{plain('ada', 'pw')}</response>")
    await client.succeeded()


async def test_an_authorization_identity_is_that_of_the_stream(server: RunningServer) -> None:
    own = authenticate("ada", data=plain("ada", "pw", "Ada@LOCALHOST"))
    client = await connected(server)
    client.open(sender="ada@localhost", then=own)
    await client.succeeded()
    client = await connected(server)
    client.open(sender="ben@localhost", then=own)
    assert failure(await client.tag("failure")) == "invalid-authzid"


async def test_a_stream_from_another_domain_is_refused(server: RunningServer) -> None:
    client = await connected(server)
    client.open(sender="ada@elsewhere.example")
    assert condition(await client.tag("error")) == "invalid-from"


async def test_four_failures_end_the_stream_whichever_sasl_they_are_of(server: RunningServer) -> None:
    client = await connected(server)
    client.open()
    for number in range(4):
        wrong = plain("ada", "wrong")
        old = f"<auth xmlns='{SASL}' mechanism='PLAIN'>{wrong}</auth>"
        client.send(old if number % 2 else authenticate("ada", data=wrong))
        assert (await client.tag("failure"))[0].tag.endswith("not-authorized")
    assert condition(await client.tag("error")) == "policy-violation"
    await client.end()


@pytest.mark.parametrize(
    "traffic",
    [
        "<message to='ben@localhost'><body>too early</body></message>",
        "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain('ada', 'pw')}</auth>",
        authenticate("ada"),
    ],
)
async def test_other_traffic_during_the_exchange_ends_the_stream(server: RunningServer, traffic: str) -> None:
    client = await connected(server)
    first = base64.b64encode(b"n,,n=ada,r=abcdefgh").decode()
    client.open(then=authenticate("ada", mechanism="SCRAM-SHA-256", data=first))
    await client.tag("challenge")
    client.send(traffic)
    assert condition(await client.tag("error")) == "not-authorized"


@pytest.mark.parametrize("inline", ["", f"<bind xmlns='{BIND2}'/>"])
async def test_a_second_login_ends_the_stream(server: RunningServer, inline: str) -> None:
    client = await connected(server)
    await client.login2("ada", inline)
    client.send(authenticate("ada"))
    error = condition(await client.tag("error"))
    assert error == ("unsupported-stanza-type" if inline else "not-authorized")


async def test_the_old_sasl_still_works_after_the_new_one_failed(server: RunningServer) -> None:
    client = await connected(server)
    client.open(then=authenticate("ada", "wrong"))
    assert failure(await client.tag("failure")) == "not-authorized"
    await client.tag("features")
    client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain('ada', 'pw')}</auth>")
    assert (await client.tag("success")).tag == f"{{{SASL}}}success"
    client.open()
    await client.tag("features")
    await client.bind()
    await client.ping()
