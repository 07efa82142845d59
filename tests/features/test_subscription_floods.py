"""Who asks everybody, or one person again and again, is slowed down; who is asked sees a bounded number."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kith.core.actors.roster import MAX_REQUESTS, Roster
from tests.conftest import RunningServer, running
from tests.raw import RawClient, condition, online

MOST = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", strangers_per_hour=str(MOST)) as it:
        for name in (
            "flooder",
            "nag",
            "wordy",
            "patient",
            "target",
            "friend",
            *(f"p{n}" for n in range(MOST)),
        ):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


async def ask(client: RawClient, to: str, inside: str = "") -> None:
    client.send(f"<presence type='subscribe' to='{to}@localhost'>{inside}</presence>")
    await client.ping()


def refusals(client: RawClient) -> list[str]:
    found = [e for e in client.inbox if e.get("type") == "error"]
    client.inbox = [e for e in client.inbox if e not in found]
    return [condition(e) for e in found]


def requests(client: RawClient) -> list[str]:
    return [e.get("from", "") for e in client.inbox if e.get("type") == "subscribe"]


async def test_one_account_asks_so_often_in_an_hour(server: RunningServer) -> None:
    flooder = await online(server.port, "flooder")
    for round in range(2):
        for number in range(MOST // 2):
            await ask(flooder, f"p{number}")
            flooder.send(f"<presence type='unsubscribe' to='p{number}@localhost'/>")
        assert not refusals(flooder), round
    await ask(flooder, "p0")
    assert refusals(flooder) == ["policy-violation"]
    flooder.abort()


async def test_nobody_is_asked_again_and_again_by_one(server: RunningServer) -> None:
    nag, target = await online(server.port, "nag"), await online(server.port, "target")
    for _ in range(5):
        await ask(nag, "target")
        nag.send("<presence type='unsubscribe' to='target@localhost'/>")
    assert not refusals(nag)
    await ask(nag, "target")
    assert refusals(nag) == ["policy-violation"]
    await target.ping()
    assert requests(target) == ["nag@localhost"] * 5
    nag.abort()
    target.abort()


async def test_who_asks_for_what_it_has_asks_nobody(server: RunningServer) -> None:
    p6, p7 = await online(server.port, "p6"), await online(server.port, "p7")
    await ask(p6, "p7")
    p7.send("<presence type='subscribed' to='p6@localhost'/>")
    await p7.ping()
    await p6.take(lambda e: e.get("type") == "subscribed")
    for _ in range(2 * MOST):
        await ask(p6, "p7")
    assert not refusals(p6)
    await p7.ping()
    assert requests(p7) == ["p6@localhost"]
    p6.abort()
    p7.abort()


async def test_a_request_is_kept_complete_for_who_is_away(server: RunningServer) -> None:
    """RFC 6121 §3.1.3: so a client's own token (XEP-0379) reaches the client that has given it."""
    wordy = await online(server.port, "wordy")
    inside = (
        "<status>Hello</status><nick xmlns='http://jabber.org/protocol/nick'>Wordy</nick>"
        "<preauth xmlns='urn:xmpp:pars:0' token='1tMFqYDdKhfe2pwp'/><x xmlns='urn:x' a='b'><y>z</y></x>"
    )
    wordy.send(f"<presence type='subscribe' to='friend@localhost' id='s1' xml:lang='de'>{inside}</presence>")
    await wordy.ping()
    for resource in ("one", "two"):  # it waits, and comes again
        friend = await online(server.port, "friend", resource)
        request = await friend.take(lambda e: e.get("type") == "subscribe")
        assert [child.tag.partition("}")[2] for child in request] == ["status", "nick", "preauth", "x"]
        assert request.find("{urn:xmpp:pars:0}preauth").get("token") == "1tMFqYDdKhfe2pwp"
        assert request.findtext("{urn:x}x/{urn:x}y") == "z"
        assert (request.get("id"), request.get("{http://www.w3.org/XML/1998/namespace}lang")) == ("s1", "de")
        friend.abort()
    wordy.abort()


async def test_a_request_of_any_size_is_refused(server: RunningServer) -> None:
    wordy = await online(server.port, "wordy")
    for inside, more in ((f"<status>{'y' * 100_000}</status>", ""), ("", f" more='{'z' * 9000}'")):
        for name in ("target", "nobody"):  # the same, so that nobody learns who is here
            wordy.send(f"<presence type='subscribe' to='{name}@localhost'{more}>{inside}</presence>")
            await wordy.ping()
            assert refusals(wordy) == ["policy-violation"]
    wordy.abort()


async def test_who_got_no_answer_may_ask_again(server: RunningServer) -> None:
    """As clients do each time that they connect; who was asked sees it once."""
    patient, target = await online(server.port, "patient"), await online(server.port, "target")
    for _ in range(2 * MOST):
        await ask(patient, "target")
    assert not refusals(patient)
    await target.ping()
    assert requests(target).count("patient@localhost") == 1
    for client in (patient, target):
        client.abort()


def test_who_floods_with_requests_drives_out_its_own() -> None:
    roster = Roster(1)
    for number, jid in enumerate(["friend@good.example", *(f"s{n}@bad.example" for n in range(60))]):
        item = roster[jid]
        item.receive_subscribe(b"<presence/>")
        item.seq = number + 1
        roster._items[jid] = item
        if (excess := roster.excess_request()) is not None:
            excess.request = None
            assert excess.jid.endswith("@bad.example")
    assert len(roster.requests()) == MAX_REQUESTS
    assert roster["friend@good.example"].request is not None
    assert roster["s0@bad.example"].request is None
    assert roster["s59@bad.example"].request is not None
