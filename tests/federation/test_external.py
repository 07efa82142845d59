"""XEP-0178: a server that connects proves by its certificate whose it is, without dialback."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kith.federation.names import is_for
from tests.conftest import RunningServer
from tests.federation.caller import SASL, SM, Caller
from tests.federation.test_kith_to_kith import online
from tests.federation.world import Authority, World
from tests.raw import body, condition

Certificate = tuple[Path, Path]
DIALBACK = "{urn:xmpp:features:dialback}dialback"


@pytest.fixture(scope="module")
def one(here: World) -> Iterator[RunningServer]:
    with here.kith("one.test") as server:
        yield server


@pytest.fixture(scope="module")
def certificate(here: World) -> Certificate:
    """As public authorities issue them: for servers alone."""
    return here.authority.certificate("caller", names="two.test", usage=ExtendedKeyUsageOID.SERVER_AUTH)


@pytest.fixture
async def caller(one: RunningServer) -> AsyncIterator[Caller]:
    async with Caller(int(one.environ["KITH_FEDERATION_PORT"])) as client:
        yield client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("identity", ["two.test", "", None])
async def test_a_certificate_for_servers_alone_lets_a_server_without_dialback_send(
    one: RunningServer,
    caller: Caller,
    certificate: Certificate,
    version: ssl.TLSVersion,
    identity: str | None,
) -> None:
    ann = await online(one, "ann")
    assert await caller.encrypt(certificate, version=version) == {"EXTERNAL"}
    if identity is None:
        caller.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'/>")
        await caller.tag("challenge")
        caller.send(f"<response xmlns='{SASL}'/>")
        assert await caller.outcome() == ""
    else:
        assert await caller.external(identity) == ""
    assert await caller.begin() == set()
    assert f"{{{SM}}}sm" in caller.features
    caller.send("<message from='ben@two.test' to='ann@one.test' type='chat'><body>hi</body></message>")
    got = await ann.message()
    assert (body(got), got.get("from")) == ("hi", "ben@two.test")
    ann.abort()


@pytest.mark.parametrize("which", ["none", "other name", "expired", "unknown authority", "for clients"])
async def test_a_certificate_that_proves_nothing_is_not_accepted_and_dialback_remains(
    here: World, caller: Caller, tmp_path: Path, which: str
) -> None:
    make = here.authority.certificate
    wrong = {
        "none": lambda: None,
        "other name": lambda: make("x", names="other.test"),
        "expired": lambda: make("x", names="two.test", days=-1),
        "unknown authority": lambda: Authority(tmp_path).certificate("x", names="two.test"),
        "for clients": lambda: make("x", names="two.test", usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    }[which]()
    assert await caller.encrypt(wrong) == set()
    assert DIALBACK in caller.features
    assert await caller.external() == "not-authorized"
    caller.send("<message from='ben@two.test' to='ann@one.test' type='chat'><body>!</body></message>")
    assert condition(await caller.tag("error")) == "not-authorized"


@pytest.mark.parametrize(
    ("identity", "expected"),
    [("three.test", "invalid-authzid"), ("ann@two.test", "invalid-authzid"), ("a@b@c", "invalid-authzid")],
)
async def test_a_server_has_no_other_identity_than_its_stream(
    caller: Caller, certificate: Certificate, identity: str, expected: str
) -> None:
    assert await caller.encrypt(certificate) == {"EXTERNAL"}
    assert await caller.external(identity) == expected
    assert await caller.external() == ""  # it may try again


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("<auth xmlns='{0}' mechanism='PLAIN'>AHR3bwBwdw==</auth>", "invalid-mechanism"),
        ("<auth xmlns='{0}' mechanism='EXTERNAL'>not base64!</auth>", "incorrect-encoding"),
        ("<auth xmlns='{0}' mechanism='EXTERNAL'>//8=</auth>", "incorrect-encoding"),
        ("<response xmlns='{0}'>dHdvLnRlc3Q=</response>", "malformed-request"),
        ("<abort xmlns='{0}'/>", "aborted"),
    ],
)
async def test_who_says_it_wrong_is_told_what_is_wrong(
    caller: Caller, certificate: Certificate, element: str, expected: str
) -> None:
    await caller.encrypt(certificate)
    caller.send(element.format(SASL))
    assert await caller.outcome() == expected


async def test_nobody_tries_for_ever(caller: Caller, certificate: Certificate) -> None:
    await caller.encrypt(certificate)
    for _ in range(5):
        assert await caller.external("three.test") == "invalid-authzid"
    assert condition(await caller.tag("error")) == "policy-violation"
    await caller.end()


@pytest.mark.parametrize("sender", ["ben@three.test", "ann@one.test", "one.test", "ben@sub.two.test"])
async def test_a_certificate_speaks_for_its_own_domain_only(
    caller: Caller, certificate: Certificate, sender: str
) -> None:
    await caller.encrypt(certificate)
    assert await caller.external() == ""
    await caller.begin()
    caller.send(f"<message from='{sender}' to='ann@one.test' type='chat'><body>!</body></message>")
    assert condition(await caller.tag("error")) == "invalid-from"


async def test_a_certificate_of_this_domain_lets_nobody_speak_for_it(here: World, caller: Caller) -> None:
    assert await caller.encrypt(here.authority.certificate("own", names="one.test"), "one.test") == set()
    assert await caller.external("one.test") == "not-authorized"


async def test_a_stream_does_not_change_its_domain_after_the_login(
    caller: Caller, certificate: Certificate
) -> None:
    await caller.encrypt(certificate)
    assert await caller.external() == ""
    caller._restart()
    caller.send(
        "<stream:stream to='one.test' from='three.test' version='1.0' xmlns='jabber:server' "
        "xmlns:stream='http://etherx.jabber.org/streams'>"
    )
    assert condition(await caller.tag("error")) == "invalid-from"


async def test_a_server_without_encryption_is_offered_nothing(caller: Caller) -> None:
    caller.send(
        "<stream:stream to='one.test' from='two.test' version='1.0' xmlns='jabber:server' "
        "xmlns:stream='http://etherx.jabber.org/streams'>"
    )
    features = await caller.tag("features")
    assert [child.tag for child in features] == ["{urn:ietf:params:xml:ns:xmpp-tls}starttls"]
    caller.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>")
    assert condition(await caller.tag("error")) == "policy-violation"


async def test_two_kiths_need_no_dialback(here: World, one: RunningServer) -> None:
    with here.kith("two.test") as two:
        ann, ben = await online(one, "ann"), await online(two, "ben")
        ann.send("<message to='ben@two.test' type='chat'><body>hi</body></message>")
        assert body(await ben.message()) == "hi"
        ben.send("<message to='ann@one.test' type='chat'><body>back</body></message>")
        assert body(await ann.message()) == "back"
        ann.abort()
        ben.abort()
    assert "not verified" not in one.log.read_text()


def named(*names: x509.GeneralName) -> bytes:
    """A certificate with alternative names, in DER. Its common name is two.test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "two.test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def service(name: str) -> x509.OtherName:
    """An SRV-ID (RFC 4985)."""
    encoded = name.encode()
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), bytes([0x16, len(encoded)]) + encoded)


@pytest.mark.parametrize(
    ("names", "domain", "expected"),
    [
        ([x509.DNSName("two.test")], "two.test", True),
        ([x509.DNSName("TWO.test")], "two.test", True),
        ([x509.DNSName("other.test"), x509.DNSName("two.test")], "two.test", True),
        ([x509.DNSName("two.test")], "sub.two.test", False),
        ([x509.DNSName("*.two.test")], "sub.two.test", True),
        ([x509.DNSName("*.two.test")], "two.test", False),
        ([x509.DNSName("*.two.test")], "a.b.two.test", False),
        ([x509.DNSName("*.test")], "test", False),
        ([x509.DNSName("xn--bcher-kva.test")], "bücher.test", True),
        ([service("_xmpp-server.two.test")], "two.test", True),
        ([service("_xmpp-client.two.test")], "two.test", False),
        ([service("_xmpp-server.other.test")], "two.test", False),
        ([], "two.test", False),  # the common name does not count
        ([x509.IPAddress(ipaddress.ip_address("192.0.2.1"))], "192.0.2.1", False),
        ([x509.DNSName("two.test")], "two.test.evil.test", False),
        ([x509.DNSName("two.test")], "", False),
    ],
)
def test_a_certificate_is_for_the_names_in_it(
    names: list[x509.GeneralName], domain: str, expected: bool
) -> None:
    assert is_for(named(*names), domain) is expected


def test_what_is_no_certificate_is_for_nobody() -> None:
    assert not is_for(b"", "two.test")
    assert not is_for(b"0\x82\x01", "two.test")
