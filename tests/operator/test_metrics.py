"""What an operator sees over HTTP while people chat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kith import __version__
from tests.conftest import RunningServer, free_ports, running
from tests.operator.scrape import Figures, read, scrape, until
from tests.raw import RawClient, condition, online, plain

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    (port,) = free_ports(1)
    with running(tmp_path_factory.mktemp("kith") / "data", metrics_port=str(port)) as it:
        for name in ("ada", "ben", "cyd"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


def metrics_port(server: RunningServer) -> int:
    return int(server.environ["KITH_METRICS_PORT"])


async def test_messages_are_counted_from_the_client_to_the_disk_and_to_the_other_client(
    server: RunningServer,
) -> None:
    port = metrics_port(server)
    ada, ben = await online(server.port, "ada"), await online(server.port, "ben")
    before = await scrape(port)
    for number in range(20):
        ada.send(f"<message to='ben@localhost' type='chat'><body>{number}</body></message>")
    for _ in range(20):
        await ben.message()
    ada.send("<message to='ben@localhost' type='chat'><gone xmlns='http://jabber.org/protocol/chatstates'/>")
    ada.send("</message><message to='cyd@localhost' type='chat'><body>later</body></message>")
    await ben.message()
    await ada.ping()
    after = await scrape(port)

    def grown(name: str, **labels: str) -> float:
        return after.get_one(name, **labels) - before.get_one(name, **labels)

    assert grown("kith_stanzas_received_total", kind="message") == 22
    assert grown("kith_stanzas_received_total", kind="iq") == 1
    assert grown("kith_messages_stored_total") == 21
    assert grown("kith_messages_delivered_total", source="live") == 21
    commits = grown("kith_commit_seconds_count")
    assert 1 <= commits <= 22
    assert grown("kith_commit_operations_count") == commits
    assert grown("kith_commit_operations_sum") >= 21
    assert after.get_one("kith_commit_seconds_bucket", le="+Inf") == after.get_one(
        "kith_commit_seconds_count"
    )
    cyd = await online(server.port, "cyd")
    await cyd.message()
    await until(port, lambda now: now.get_one("kith_messages_delivered_total", source="log") == 1)
    for client in (ada, ben, cyd):
        client.abort()


async def test_connections_and_sessions_are_those_of_now(server: RunningServer) -> None:
    port = metrics_port(server)

    def there(connections: int, sessions: int, waiting: int) -> None:
        expected.update(connections=connections, sessions=sessions, waiting=waiting)

    def holds(now: Figures) -> bool:
        return (
            now.get_one("kith_connections", transport="tcp") == expected["connections"]
            and now.get_one("kith_sessions") == expected["sessions"]
            and now.get_one("kith_sessions_waiting") == expected["waiting"]
        )

    expected: dict[str, int] = {}
    there(0, 0, 0)
    await until(port, holds)
    ada = await online(server.port, "ada")
    ada.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    await ada.tag("enabled")
    there(1, 1, 0)
    await until(port, holds)
    ada.abort()
    there(0, 1, 1)
    await until(port, holds)
    again = RawClient(server.port)
    await again.connect()
    await again.login("ada")
    await again.bind(ada.jid.partition("/")[2])  # takes the waiting session's place
    there(1, 1, 0)
    now = await until(port, holds)
    assert now.get_one("kith_accepted_connections_total", transport="tcp") >= 2
    again.abort()


async def test_logins_and_errors_are_counted_by_kind_and_nobody_outside_makes_up_a_label(
    server: RunningServer,
) -> None:
    port = metrics_port(server)
    before = await scrape(port)
    client = RawClient(server.port)
    await client.connect()
    client.open()
    await client.tag("features")
    for mechanism, password in (("PLAIN", "wrong"), ("X-MADE-UP", "pw"), ("PLAIN", "pw")):
        client.send(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>"
            f"{plain('ada', password)}</auth>"
        )
        await client.take(lambda e: e.tag.endswith(("failure", "success")))
    client.open()
    await client.tag("features")
    await client.bind()
    assert condition(await client.iq("get", "<query xmlns='urn:made-up:by-a-client'/>")) == (
        "service-unavailable"
    )
    client.send("<message to='a@b@c'/>")
    await client.message()
    client.send("<no><well-formed></no>")
    await client.tag("error")
    after = await scrape(port)
    for name, labels in (
        ("kith_logins_total", {"mechanism": "PLAIN", "result": "success"}),
        ("kith_logins_total", {"mechanism": "PLAIN", "result": "not-authorized"}),
        ("kith_logins_total", {"mechanism": "other", "result": "invalid-mechanism"}),
        ("kith_stanza_errors_total", {"condition": "service-unavailable"}),
        ("kith_stanza_errors_total", {"condition": "jid-malformed"}),
        ("kith_stream_errors_total", {"condition": "not-well-formed"}),
    ):
        assert after.get_one(name, **labels) - before.get_one(name, **labels) == 1, (name, labels)
    assert "made-up" not in read(port).lower()


async def test_the_process_the_loop_and_the_store_are_measured(server: RunningServer) -> None:
    port = metrics_port(server)
    now = await until(port, lambda now: now.get_one("kith_loop_lag_seconds_count") > 0)
    assert now.get_one("process_cpu_seconds_total") > 0
    assert now.get_one("process_resident_memory_bytes") > 1 << 20
    assert now.get_one("kith_store_bytes", file="database") > 0
    assert now.get_one("kith_accounts") == 3
    assert now.get_one("kith_build_info", version=__version__) == 1


async def test_undelivered_messages_are_those_that_no_device_has_got(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running(tmp_path / "data", metrics_port=str(port)) as server:
        for name in ("ada", "ben"):
            server.add_user(name)
        ada = await online(server.port, "ada")
        for _ in range(3):
            ada.send("<message to='ben@localhost' type='chat'><body>hi</body></message>")
        await ada.ping()
        assert (await scrape(port)).get_one("kith_undelivered_messages") == 3


def test_every_metric_is_in_the_document_and_the_other_way_round(server: RunningServer) -> None:
    offered = set(re.findall(r"^# TYPE (kith_\w+?)(?:_total)? ", read(metrics_port(server)), re.MULTILINE))
    documented = {
        name.removesuffix("_total") for name in re.findall(r"^\| `(kith_\w+)", DOCUMENT.read_text(), re.M)
    }
    only_with_federation = {name for name in documented if name.startswith("kith_federation")}
    assert offered == documented - only_with_federation
    assert only_with_federation


def listening(server: RunningServer) -> set[tuple[str, int]]:
    there = psutil.Process(server.pid).net_connections("tcp")
    return {(it.laddr.ip, it.laddr.port) for it in there if it.status == psutil.CONN_LISTEN}


def test_nobody_listens_unless_the_setting_says_so_and_then_on_loopback_only(
    server: RunningServer, tmp_path: Path
) -> None:
    with running(tmp_path / "data") as other:
        ports = {other.port, other.xmpps_port, other.http_port, other.https_port}
        ports |= {other.media_http_port, other.media_https_port}
        assert {port for _, port in listening(other)} == ports
    addresses = {ip for ip, port in listening(server) if port == metrics_port(server)}
    assert addresses
    assert addresses <= {"127.0.0.1", "::1"}
