"""SASL2, Bind 2, inline resumption and tokens: XEP-0388, XEP-0386, XEP-0198 §6, XEP-0484."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import uuid
from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from scramp import ScramClient

from tests.conftest import RunningServer
from tests.raw import RawClient, body, online

SASL2 = "{urn:xmpp:sasl:2}"
FAST = "{urn:xmpp:fast:0}"
BIND = "{urn:xmpp:bind:0}"
SM = "{urn:xmpp:sm:3}"


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    for name in ("ann", "ben", "cyn", "dot", "eve"):
        server.add_user(name)


class Secure(RawClient):
    """In TLS from the first byte; ``certificate`` is the server's."""

    certificate = b""

    async def connect(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        tls = self._writer.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True)
        self.certificate = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256())
        self._task = asyncio.create_task(self._read())
        self._restart()


@pytest.fixture
async def client(server: RunningServer, accounts: None) -> AsyncIterator[RawClient]:
    async with RawClient(server.port) as raw:
        yield raw


def agent(id: str) -> str:
    return f"<user-agent id='{id}'><software>Test</software><device>Ann's  phone</device></user-agent>"


def plain(user: str, inside: str = "", password: str = "pw") -> str:
    data = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return (
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>"
        f"<initial-response>{data}</initial-response>{inside}</authenticate>"
    )


def by_token(
    user: str, token: str, id: str, inside: str = "", kind: str = "NONE", binding: bytes = b"", fast: str = ""
) -> str:
    proof = hmac.digest(token.encode(), b"Initiator" + binding, "sha256")
    data = base64.b64encode(user.encode() + b"\0" + proof).decode()
    return (
        f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-{kind}'>"
        f"<initial-response>{data}</initial-response>{agent(id)}{inside}"
        f"<fast xmlns='urn:xmpp:fast:0' {fast}/></authenticate>"
    )


REQUEST = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-{}'/>"
BIND2 = "<bind xmlns='urn:xmpp:bind:0'><tag>Test</tag>{}</bind>"
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"


async def ask(client: RawClient, text: str) -> Element:
    """Opens a stream, authenticates at once, and returns what it got."""
    client.open()
    client.send(text)
    await client.tag("features")
    return await client.take(lambda e: e.tag.startswith(SASL2))


async def once(port: int, text: str) -> Element:
    async with RawClient(port) as client:
        return await ask(client, text)


def condition(failure: Element) -> str:
    assert failure.tag == SASL2 + "failure", failure.tag
    return failure[0].tag.partition("}")[2]


async def token_of(server: RunningServer, user: str, id: str, kind: str = "NONE") -> str:
    answer = await once(server.port, plain(user, agent(id) + REQUEST.format(kind)))
    return answer.find(f"{FAST}token").get("token")  # type: ignore[union-attr,return-value]


async def test_what_can_be_asked_for_is_offered(client: RawClient) -> None:
    client.open()
    features = await client.tag("features")
    offer = features.find(f"{SASL2}authentication")
    assert offer is not None
    assert "SCRAM-SHA-256" in [m.text for m in offer.findall(f"{SASL2}mechanism")]
    inline = offer.find(f"{SASL2}inline")
    assert inline is not None
    assert inline.find(f"{SM}sm") is not None
    names = {f.get("var") for f in inline.iter(f"{BIND}feature")}
    assert {"urn:xmpp:sm:3", "urn:xmpp:carbons:2"} <= names
    assert [m.text for m in inline.iter(f"{FAST}mechanism")] == ["HT-SHA-256-NONE"]


async def test_features_follow_success_without_a_new_header(client: RawClient) -> None:
    success = await ask(client, plain("ann"))
    assert success.findtext(f"{SASL2}authorization-identifier") == "ann@localhost"
    features = await client.tag("features")
    assert features.find("{urn:ietf:params:xml:ns:xmpp-bind}bind") is not None
    await client.bind("old")
    assert client.jid == "ann@localhost/old"


async def test_scram_proves_the_server_too(client: RawClient) -> None:
    scram = ScramClient(["SCRAM-SHA-256"], "ann", "pw")
    first = base64.b64encode(scram.get_client_first().encode()).decode()
    challenge = await ask(
        client,
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'>"
        f"<initial-response>{first}</initial-response>{BIND2.format('')}</authenticate>",
    )
    scram.set_server_first(base64.b64decode(challenge.text or "").decode())
    final = base64.b64encode(scram.get_client_final().encode()).decode()
    client.send(f"<response xmlns='urn:xmpp:sasl:2'>{final}</response>")
    success = await client.tag("success")
    scram.set_server_final(base64.b64decode(success.findtext(f"{SASL2}additional-data") or "").decode())
    assert (success.findtext(f"{SASL2}authorization-identifier") or "").startswith("ann@localhost/Test/")


async def test_one_flight_is_enough_to_be_bound_managed_copied_and_talking(
    server: RunningServer, client: RawClient
) -> None:
    ben = await online(server.port, "ben")
    inside = BIND2.format(ENABLE + CARBONS)
    client.open()
    client.send(
        plain("ann", inside)
        + "<presence/><message to='ben@localhost' type='chat'><body>at once</body></message>"
        + "<r xmlns='urn:xmpp:sm:3'/>"
    )
    assert body(await ben.message()) == "at once"
    success = await client.take(lambda e: e.tag == SASL2 + "success")
    bound = success.find(f"{BIND}bound")
    assert bound is not None
    assert bound.find(f"{SM}enabled") is not None
    assert bound.find("{urn:xmpp:mam:2}metadata") is not None
    assert (await client.tag("a")).get("h") == "2"
    ben.abort()


async def test_a_lasting_client_keeps_its_resource_and_its_older_session_ends(server: RunningServer) -> None:
    id = str(uuid.uuid4())
    async with RawClient(server.port) as first, RawClient(server.port) as second:
        one = await ask(first, plain("cyn", agent(id) + BIND2.format("")))
        two = await ask(second, plain("cyn", agent(id) + BIND2.format("")))
        jids = {answer.findtext(f"{SASL2}authorization-identifier") for answer in (one, two)}
        assert len(jids) == 1
        assert id not in jids.pop()  # type: ignore[operator]
        await first.tag("error")
        await first.end()


async def test_the_archive_has_what_came_before_and_is_not_sent_again(server: RunningServer) -> None:
    ben = await online(server.port, "ben")
    ben.send("<message to='dot@localhost' type='chat'><body>earlier</body></message>")
    await ben.ping()
    async with RawClient(server.port) as dot:
        success = await ask(dot, plain("dot", BIND2.format("")))
        end = success.find(".//{urn:xmpp:mam:2}end")
        assert end is not None
        dot.jid = success.findtext(f"{SASL2}authorization-identifier") or ""
        await dot.available()
        await dot.expect_nothing()
        await dot.result("set", "<query xmlns='urn:xmpp:mam:2'/>")
        assert [e.text for m in dot.inbox for e in m.iter("{jabber:client}body")] == ["earlier"]
        ben.send("<message to='dot@localhost' type='chat'><body>later</body></message>")
        dot.inbox.clear()
        assert body(await dot.message()) == "later"
    ben.abort()


async def test_a_session_is_resumed_in_the_login_and_no_features_follow(server: RunningServer) -> None:
    ben = await online(server.port, "ben")
    async with RawClient(server.port) as first:
        success = await ask(first, plain("eve", BIND2.format(ENABLE)))
        token = success.find(f".//{SM}enabled").get("id")  # type: ignore[union-attr]
        first.jid = success.findtext(f"{SASL2}authorization-identifier") or ""
        await first.available()
        first.abort()
    await asyncio.sleep(0.1)
    ben.send("<message to='eve@localhost' type='chat'><body>missed</body></message>")
    await ben.ping()
    async with RawClient(server.port) as second:
        resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='2'/>"
        success = await ask(second, plain("eve", resume + BIND2.format(ENABLE)))
        resumed = success.find(f"{SM}resumed")
        assert resumed is not None
        assert resumed.get("previd") == token
        assert success.find(f"{BIND}bound") is None
        assert body(await second.message()) == "missed"
        assert not [e for e in second.inbox if e.tag.endswith("features")]
    ben.abort()


@pytest.mark.parametrize("inline", [ENABLE, ""])
async def test_stream_management_is_not_offered_again_to_whom_has_it(client: RawClient, inline: str) -> None:
    """Who sees the offer after binding tries to resume what was just begun, and loses it (XEP-0198 §3)."""
    await ask(client, plain("ann", BIND2.format(inline)))
    features = await client.tag("features")
    assert (features.find(f"{SM}sm") is None) == bool(inline)


async def test_a_resumption_that_fails_is_followed_by_the_bind(client: RawClient) -> None:
    resume = "<resume xmlns='urn:xmpp:sm:3' previd='gone' h='0'/>"
    success = await ask(client, plain("ann", resume + BIND2.format(ENABLE)))
    assert success.find(f"{SM}failed") is not None
    assert success.find(f"{BIND}bound/{SM}enabled") is not None
    await client.tag("features")


async def test_wrong_requests_are_refused_by_name(server: RunningServer, accounts: None) -> None:
    agent_of = "<user-agent id='no-uuid'/>"
    unknown = "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='X'/>"
    broken = plain("ann").replace("<initial-response>", "<initial-response>%")
    for text, expected in (
        (plain("ann", password="wrong"), "not-authorized"),
        (plain("nobody"), "not-authorized"),
        (plain("ann", agent_of), "malformed-request"),
        (unknown, "invalid-mechanism"),
        (broken, "incorrect-encoding"),
        ("<abort xmlns='urn:xmpp:sasl:2'/>", "aborted"),
        ("<response xmlns='urn:xmpp:sasl:2'>aa==</response>", "malformed-request"),
    ):
        assert condition(await once(server.port, text)) == expected, text


async def test_a_header_that_names_another_account_is_refused(client: RawClient) -> None:
    client.send(
        "<stream:stream to='localhost' from='ben@localhost' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>" + plain("ann")
    )
    assert condition(await client.take(lambda e: e.tag.startswith(SASL2))) == "invalid-authzid"
    client.send("<presence/>")
    assert (await client.tag("error"))[0].tag.endswith("not-authorized")


# -- tokens ---------------------------------------------------------------------------------------


async def test_a_token_logs_in_with_one_flight_and_the_server_proves_itself(
    server: RunningServer, accounts: None
) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    success = await once(server.port, by_token("ann", token, id, BIND2.format(ENABLE)))
    assert success.tag == SASL2 + "success"
    assert (success.findtext(f"{SASL2}authorization-identifier") or "").startswith("ann@localhost/Test/")
    final = base64.b64decode(success.findtext(f"{SASL2}additional-data") or "")
    assert final == hmac.digest(token.encode(), b"Responder", "sha256")


async def test_a_token_belongs_to_one_device_one_account_and_one_mechanism(
    server: RunningServer, accounts: None
) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    for wrong in (
        by_token("ann", token, str(uuid.uuid4())),
        by_token("ben", token, id),
        by_token("ann", token[:-2] + "x=", id),
        by_token("nobody", token, id),
    ):
        assert condition(await once(server.port, wrong)) == "not-authorized"
    assert condition(await once(server.port, by_token("ann", token, id, kind="ENDP"))) == "invalid-mechanism"
    naked = by_token("ann", token, id).replace("<fast xmlns='urn:xmpp:fast:0' />", "")
    assert condition(await once(server.port, naked)) == "malformed-request"


async def test_a_token_is_bound_to_the_channel(server: RunningServer, accounts: None) -> None:
    id = str(uuid.uuid4())
    async with Secure(server.xmpps_port) as client:
        answer = await ask(client, plain("ann", agent(id) + REQUEST.format("ENDP")))
        token = answer.find(f"{FAST}token").get("token") or ""  # type: ignore[union-attr]
    async with Secure(server.xmpps_port) as client:
        right = by_token("ann", token, id, kind="ENDP", binding=client.certificate)
        assert (await ask(client, right)).tag == SASL2 + "success"
    for kind, binding in (("ENDP", hashlib.sha256(b"middle").digest()), ("NONE", b"")):
        async with Secure(server.xmpps_port) as client:
            answer = await ask(client, by_token("ann", token, id, kind=kind, binding=binding))
            assert condition(answer) == "not-authorized"


async def test_an_older_token_works_until_the_newer_is_used(server: RunningServer, accounts: None) -> None:
    id = str(uuid.uuid4())
    old = await token_of(server, "ann", id)
    assert (await once(server.port, by_token("ann", old, id))).tag == SASL2 + "success"
    answer = await once(server.port, by_token("ann", old, id, REQUEST.format("NONE")))
    new = answer.find(f"{FAST}token").get("token") or ""  # type: ignore[union-attr]
    assert new != old
    assert (await once(server.port, by_token("ann", old, id))).tag == SASL2 + "success"
    assert (await once(server.port, by_token("ann", new, id))).tag == SASL2 + "success"
    assert condition(await once(server.port, by_token("ann", old, id))) == "credentials-expired"


async def test_a_client_that_logs_out_voids_its_token(server: RunningServer, accounts: None) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ann", id)
    answer = await once(server.port, by_token("ann", token, id, fast="invalidate='true'"))
    assert answer.tag == SASL2 + "success"
    assert condition(await once(server.port, by_token("ann", token, id))) == "credentials-expired"


async def test_tokens_are_nowhere_in_the_data_folder(server: RunningServer, accounts: None) -> None:
    token = await token_of(server, "ann", str(uuid.uuid4()))
    raw = base64.urlsafe_b64decode(token)
    kept = server.on_disk()
    assert b"ann@localhost" in kept
    assert token.encode() not in kept
    assert raw not in kept
    assert (server.data_dir / "secret").stat().st_mode & 0o077 == 0


async def test_a_revoked_device_is_out_at_once(server: RunningServer, accounts: None) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ben", id)
    shown = server.kith("device", "list", "ben@localhost").stdout
    assert id not in shown  # nobody but the client knows it
    assert "Ann's phone" in shown
    shown_id = shown.splitlines()[-1].split()[0]
    async with RawClient(server.port) as client:
        await ask(client, by_token("ben", token, id, BIND2.format(ENABLE)))
        await client.tag("features")
        server.kith("device", "revoke", "ben@localhost", shown_id)
        assert (await client.tag("error"))[0].tag.endswith("not-authorized")
        await client.end()
    assert condition(await once(server.port, by_token("ben", token, id))) == "credentials-expired"
    assert server.kith("device", "revoke", "ben@localhost", shown_id, check=False).returncode == 2
    assert server.kith("device", "revoke", "ben@localhost", check=False).returncode == 2


async def test_a_new_password_voids_all_tokens(server: RunningServer, accounts: None) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "cyn", id)
    server.kith("user", "passwd", "cyn@localhost", "--password", "pw")
    assert condition(await once(server.port, by_token("cyn", token, id))) == "credentials-expired"


async def test_tokens_survive_a_restart(server: RunningServer, accounts: None) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "dot", id)
    server.kill()
    server.start()
    assert (await once(server.port, by_token("dot", token, id))).tag == SASL2 + "success"
