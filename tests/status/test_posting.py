"""Who gets a status: chosen mutual contacts, on devices that know status, once, with their own keys."""

from __future__ import annotations

from unittest.mock import PropertyMock, patch

import pytest

from kith.core.log.log import MAX_WAITING
from kith.ports.store import Append, LogQuery
from kith.records import privacy
from kith.status import authors, names
from kith.store.sqlite import SQLiteStore
from tests.parts import DOMAIN
from tests.status.there import STATUS, There, conditions, ids, kinds

BLOCK = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{}'/></block></iq>"


async def test_a_status_comes_to_the_chosen_contacts_and_to_own_devices(there: There) -> None:
    ada, desk = await there.person("ada/phone"), await there.person("ada/desk")
    ben, cyd = await there.person("ben/phone"), await there.person("cyd/phone")
    await there.befriend("ada", "ben", "cyd")
    assert kinds(await there.post(ada, "hello", "ada", "ben")) == ["ada: hello"]
    (entry,) = there.heard(ben)
    assert kinds([entry]) == kinds(there.heard(desk)) == ["ada: hello"]
    assert there.heard(cyd) == []
    assert (entry.attrs["from"], entry.attrs["to"]) == (f"ada@{DOMAIN}", f"ben@{DOMAIN}")
    status = entry.child(f"{{{STATUS}}}status")
    assert status is not None
    assert status.attrib == {"id": "hello", "until": "2026-12-01T00:53:20.000000Z"}
    assert b"<to " not in entry.inner
    assert b"urn:kith:sealed:1" in entry.inner
    assert kinds(await there.log(ben)) == kinds(await there.log(ada)) == ["ada: hello"]
    assert ids([entry]) == ids(await there.log(ben))
    assert kinds(await there.log(cyd)) == []


async def test_devices_that_do_not_know_status_get_nothing(there: There) -> None:
    ada = await there.person("ada/phone")
    old, away = await there.person("ben/old", knows=False), await there.person("cyd/old", knows=False)
    await there.befriend("ada", "ben", "cyd")
    await there.says(away, "<presence type='unavailable'/>")
    await there.post(ada, "hello", "ben", "cyd")
    assert kinds(there.heard(old)) == []
    assert kinds(await there.says(away, "<presence/>")) == []
    assert kinds(await there.log(old, node="")) == []
    groupchat = (
        "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
        "<field var='include-groupchat'><value>true</value></field></x></query></iq>"
    )
    assert kinds(await there.says(old, groupchat)) == []
    record = await there.node.store.account(f"ben@{DOMAIN}")
    assert record is not None
    assert (await there.node.store.page(LogQuery(record.id, shared=True))).entries == []
    assert kinds(await there.log(old)) == ["ada: hello"]  # it asks for status itself


async def test_each_account_gets_its_own_keys_alone(there: There) -> None:
    ada = await there.person("ada/phone", devices=(1, 2))
    ben, cyd = await there.person("ben/phone", devices=(3, 4)), await there.person("cyd/phone", devices=(5,))
    await there.befriend("ada", "ben", "cyd")
    for session in (ada, ben, cyd):
        there.heard(session)
    keys = "".join(f"<key rid='{id}'>k{id}</key>" for id in (2, 3, 4, 5, 99))
    for id, quoted in (("single", keys), ("double", keys.replace("'", '"'))):
        heard = [*await there.post(ada, "x", "ada", "ben", "cyd", keys=quoted, id=id)]
        heard += [*there.heard(ben), *there.heard(cyd)]
        found = [
            [key for key in ("k2", "k3", "k4", "k5", "k99") if key.encode() in one.inner] for one in heard
        ]
        assert found == [["k2"], ["k3", "k4"], ["k5"]]
        assert [len(one.element) for one in heard] == [4, 4, 4]
    stored = await there.log(cyd)
    assert [key for key in (b"k2", b"k3", b"k5", b"k99") if key in stored[0].inner] == [b"k5"]


async def test_only_mutual_contacts_get_it_and_nobody_learns_who_did_not(there: There) -> None:
    ada = await there.person("ada/phone")
    ben, cyd, dan = [await there.person(f"{name}/phone") for name in ("ben", "cyd", "dan")]
    await there.befriend("ada", "ben", both=False)
    await there.befriend("ada", "cyd", "dan")
    await there.says(ada, BLOCK.format(f"cyd@{DOMAIN}"))
    await there.says(dan, BLOCK.format(f"ada@{DOMAIN}"))
    for session in (ben, cyd, dan):
        there.heard(session)
    assert kinds(await there.post(ada, "x", "ada", "ben", "cyd", "dan", "nobody")) == ["ada: x"]
    for session in (ben, cyd, dan):
        assert kinds(there.heard(session)) == kinds(await there.log(session)) == []
    assert await there.post(ada, "y", "ben", "nobody") == []
    assert ada.handled == ada.received


async def test_who_is_blocked_or_no_contact_any_more_reads_nothing_from_then_on(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    await there.post(ada, "x", "ben")
    assert kinds(await there.log(ben)) == ["ada: x"]
    unblock = BLOCK.replace("block xm", "unblock xm").replace("</block>", "</unblock>")
    for blocker, other in ((ada, "ben"), (ben, "ada")):
        await there.says(blocker, BLOCK.format(f"{other}@{DOMAIN}"))
        assert kinds(await there.log(ben)) == []
        assert conditions(await there.see(ben, "ada", "x")) == ["item-not-found"]
        await there.says(blocker, unblock.format(f"{other}@{DOMAIN}"))
        assert kinds(await there.log(ben)) == ["ada: x"]
    await there.says(ada, f"<presence type='unsubscribed' to='ben@{DOMAIN}'/>")
    there.heard(ben)
    assert kinds(await there.log(ben)) == []
    await there.post(ada, "y", "ben")
    assert there.heard(ben) == []


async def test_who_was_away_reads_what_is_fresh_and_only_that(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", knows=False)
    await there.befriend("ada", "ben")
    for text in ("one", "two", "three"):
        await there.post(ada, text, "ben")
    first = await there.log(ben, most=2)
    assert kinds(first) == ["ada: one", "ada: two"]
    assert b"complete" not in first[-1].inner
    rest = await there.log(ben, after=ids(first)[-1])
    assert kinds(rest) == ["ada: three"]
    assert b"complete='true'" in rest[-1].inner
    asked = "<iq type='set' id='k'><status xmlns='urn:kith:status:0'/></iq>"
    (answer,) = await there.says(ben, asked)
    assert f"last='{ids(rest)[0]}'".encode() in answer.inner
    (nothing,) = await there.log(ben, after=ids(rest)[0])
    assert len(nothing.to_bytes()) < 250


async def test_a_retry_is_acknowledged_and_not_repeated(there: There) -> None:
    ada, ben, cyd = [await there.person(f"{name}/phone") for name in ("ada", "ben", "cyd")]
    await there.befriend("ada", "ben", "cyd")
    await there.post(ada, "x", "ben", id="one")
    await there.post(ada, "encrypted again", "ben", id="one")
    assert kinds(there.heard(ben)) == ["ada: x"]
    await there.post(ada, "x", "cyd", id="one")  # the second part of the audience
    assert kinds(there.heard(cyd)) == ["ada: x"]
    assert there.heard(ben) == []
    assert ada.handled == ada.received


async def test_a_status_that_was_not_stored_is_answered_with_an_error_and_can_be_sent_again(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    append = SQLiteStore.append

    def broken(store: SQLiteStore, entry: Append) -> None:
        entry.done(None, OSError("broken"))

    monkeypatch.setattr(SQLiteStore, "append", broken)
    assert conditions(await there.post(ada, "x", "ben")) == ["internal-server-error"]
    monkeypatch.setattr(SQLiteStore, "append", append)
    assert conditions(await there.post(ada, "x", "ben")) == []
    assert kinds(there.heard(ben)) == ["ada: x"]
    with patch.object(SQLiteStore, "waiting_bytes", PropertyMock(return_value=MAX_WAITING + 1)):
        assert conditions(await there.post(ada, "y", "ben")) == ["resource-constraint"]


async def test_so_many_a_day_and_so_large_an_audience(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await there.person("ada/phone")
    await there.person("ben/phone")
    await there.befriend("ada", "ben")
    monkeypatch.setattr(authors, "MAX_A_DAY", 3)
    for text in ("a", "b", "c"):
        assert conditions(await there.post(ada, text, "ben")) == []
    assert conditions(await there.post(ada, "d", "ben")) == ["resource-constraint"]
    assert conditions(await there.post(ada, "c", "ben")) == []  # a retry
    await there.retract(ada, "a")
    assert conditions(await there.post(ada, "d", "ben")) == ["resource-constraint"]
    there.clock.forward(86_401)
    assert conditions(await there.post(ada, "d", "ben")) == []
    monkeypatch.setattr(authors, "MAX_AUDIENCE", 2)
    assert conditions(await there.post(ada, "d", "ada", "x")) == ["policy-violation"]
    assert conditions(await there.post(ada, "d", "ada")) == []
    assert conditions(await there.post(ada, "d", "ada")) == []  # a retry
    assert conditions(await there.post(ada, "d", "nobody", "ben")) == ["policy-violation"]


async def test_too_many_messages_in_a_short_time_are_refused(there: There) -> None:
    ada = await there.person("ada/phone")
    found = [conditions(await there.retract(ada, "x")) for _ in range(241)]
    assert found[239:] == [["item-not-found"], ["resource-constraint"]]


async def test_an_inactive_phone_is_not_woken_by_statuses(there: There) -> None:
    from kith.features.csi import waits

    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    await there.post(ada, "x", "ben")
    (entry,) = there.heard(ben)
    assert waits(entry.to_bytes()) == ""


async def test_a_deleted_account_leaves_no_status(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    await there.post(ada, "x", "ben")
    there.node.sessions.end(ada)
    await there.node.store.delete_account(f"ada@{DOMAIN}")
    for feature in there.node.features:
        await feature.account_deleted(ada.account.address)
    assert kinds(await there.log(ben)) == []


def test_the_bounds_are_those_of_the_documentation() -> None:
    bounds = (names.DAY, names.LEAST_SECONDS, names.MAX_PEOPLE, names.MAX_AUDIENCE, names.MAX_A_DAY)
    assert bounds == (86_400, 60, 1024, 5000, 100)
    assert privacy.PLAIN.read_receipts
