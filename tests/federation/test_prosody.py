"""Kith and Prosody, from Debian, talk to each other."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer, free_ports
from tests.federation.world import World, world
from tests.raw import CLIENT, RawClient, body, condition

_PLUGINS = Path(__file__).parent


class Prosody:
    """A Prosody of one domain with the account ``pam``. It finds other servers by ``names``."""

    def __init__(self, here: World, domain: str, names: dict[str, int], certificate_for: str = "") -> None:
        self.domain = domain
        self.folder = here.folder / domain
        self.port, self.s2s_port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        certificate, key = here.authority.certificate(domain, names=certificate_for or domain)
        accounts = self.folder / "data" / domain.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True)
        (accounts / "pam.dat").write_text('return { ["password"] = "pw"; };\n')
        known = " ".join(f'["{name}"] = {port};' for name, port in names.items())
        modules = "roster saslauth tls dialback disco ping pep presence test_names"
        quoted = " ".join(f'"{name}";' for name in modules.split())
        (self.folder / "prosody.cfg.lua").write_text(
            f"""
run_as_root = true
data_path = "{self.folder}/data"
pidfile = "{self.folder}/pid"
plugin_paths = {{ "{_PLUGINS}" }}
modules_enabled = {{ {quoted} }}
modules_disabled = {{ "s2s_auth_dane_in" }}
test_names = {{ {known} }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
s2s_ports = {{ {self.s2s_port} }}
c2s_direct_tls_ports = {{ }}
s2s_direct_tls_ports = {{ }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = true
s2s_secure_auth = true
authentication = "internal_plain"
ssl = {{ certificate = "{certificate}"; key = "{key}"; cafile = "{here.authority.file}" }}
log = {{ debug = "{self.folder}/log" }}
VirtualHost "{domain}"
"""
        )

    def start(self) -> None:
        program = shutil.which("prosody", path="/usr/bin:/usr/local/bin:/usr/sbin")
        assert program is not None, "Debian's prosody is missing: `make test` installs it"
        self._process = subprocess.Popen(
            [program, "-F", "--config", str(self.folder / "prosody.cfg.lua")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text()[-4000:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def prosody(here: World, domain: str, names: dict[str, int], certificate_for: str = "") -> Iterator[Prosody]:
    made = Prosody(here, domain, names, certificate_for)
    here.names.add(domain, made.s2s_port)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def kith(here: World) -> Iterator[RunningServer]:
    with here.kith("kith.test") as server:
        yield server


def _names(kith: RunningServer) -> dict[str, int]:
    return {kith.domain: int(kith.environ["KITH_FEDERATION_PORT"])}


@pytest.fixture(scope="module")
def other(here: World, kith: RunningServer) -> Iterator[Prosody]:
    with prosody(here, "prosody.test", _names(kith)) as server:
        yield server


async def online(server: RunningServer | Prosody, user: str) -> RawClient:
    client = RawClient(server.port, server.domain)
    await client.connect()
    await client.login(user)
    await client.bind()
    await client.result("get", "<query xmlns='jabber:iq:roster'/>")  # or Prosody does not tell of approvals
    client.send("<presence/>")
    await client.result("get", "<ping xmlns='urn:xmpp:ping'/>", server.domain)
    return client


async def test_messages_go_both_ways(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    for number in range(3):
        ann.send(f"<message to='pam@prosody.test' type='chat'><body>{number}</body></message>")
    assert [body(await pam.message(20)) for _ in range(3)] == ["0", "1", "2"]
    for number in range(3):
        pam.send(f"<message to='ann@kith.test' type='chat'><body>{number}</body></message>")
    assert [body(await ann.message(20)) for _ in range(3)] == ["0", "1", "2"]
    ann.abort()
    pam.abort()


async def test_contacts_see_each_other(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    for one, two in ((ann, pam), (pam, ann)):
        one.send(f"<presence type='subscribe' to='{two.bare}'/>")
        await two.take(lambda e: e.get("type") == "subscribe", 20)
        two.send(f"<presence type='subscribed' to='{one.bare}'/>")
        await one.take(lambda e: e.get("type") == "subscribed", 20)
    ann.send("<presence><show>dnd</show></presence>")
    assert (await pam.take(lambda e: e.findtext(f"{CLIENT}show") == "dnd", 20)).get("from") == ann.jid
    pam.send("<presence><show>away</show></presence>")
    assert (await ann.take(lambda e: e.findtext(f"{CLIENT}show") == "away", 20)).get("from") == pam.jid
    pam.abort()
    await ann.take(lambda e: e.get("type") == "unavailable", 20)
    ann.abort()


async def test_requests_and_keys_pass_both_ways(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    ping = "<ping xmlns='urn:xmpp:ping'/>"
    assert (await ann.iq("get", ping, "prosody.test")).get("type") == "result"
    assert (await pam.iq("get", ping, "kith.test")).get("type") == "result"
    node = "eu.siacs.conversations.axolotl.bundles:7"
    publish = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<publish node='{node}'><item id='current'><bundle xmlns='eu.siacs.conversations.axolotl'/></item>"
        "</publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        "<field var='pubsub#access_model'><value>open</value></field></x></publish-options></pubsub>"
    )
    items = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
    for owner, reader in ((ann, pam), (pam, ann)):
        assert (await owner.iq("set", publish)).get("type") == "result"
        answer = await reader.iq("get", items, owner.bare)
        assert answer.find(".//{eu.siacs.conversations.axolotl}bundle") is not None
    ann.abort()
    pam.abort()


async def test_an_unknown_person_is_an_error_both_ways(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    for sender, to in ((ann, "nobody@prosody.test"), (pam, "nobody@kith.test")):
        sender.send(f"<message to='{to}' type='chat' id='x'><body>?</body></message>")
        answer = await sender.take(lambda e: e.get("type") == "error", 20)
        assert condition(answer) == "service-unavailable"
    ann.abort()
    pam.abort()


async def test_a_certificate_that_does_not_fit_is_refused_both_ways(here: World, kith: RunningServer) -> None:
    with prosody(here, "false.test", _names(kith), certificate_for="other.test") as false:
        ann, pam = await online(kith, "ann"), await online(false, "pam")
        ann.send("<message to='pam@false.test' type='chat' id='a'><body>secret</body></message>")
        assert condition(await ann.take(lambda e: e.get("type") == "error", 20)) == "remote-server-not-found"
        pam.send("<message to='ann@kith.test' type='chat' id='b'><body>trust me</body></message>")
        await pam.take(lambda e: e.get("type") == "error", 40)
        await ann.expect_nothing()
        assert not [e for e in pam.inbox if body(e) == "secret"]
        ann.abort()
        pam.abort()


async def test_prosody_may_be_down_and_come_back(here: World, kith: RunningServer) -> None:
    with prosody(here, "weary.test", _names(kith)) as weary:
        ann = await online(kith, "ann")
        weary.stop()
        for number in range(3):
            ann.send(f"<message to='pam@weary.test' type='chat'><body>{number}</body></message>")
        await ann.ping()
        await asyncio.sleep(1)  # there are attempts
        weary.start()
        pam = await online(weary, "pam")
        assert [body(await pam.message()) for _ in range(3)] == ["0", "1", "2"]
        await ann.expect_nothing()
        ann.abort()
        pam.abort()
