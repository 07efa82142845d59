"""slixmpp over TCP: what an instant messenger does all day."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slixmpp.exceptions import IqError

from tests.conftest import RunningServer
from tests.interop.slix import Slix, befriend, online
from tests.raw import PATIENCE


@pytest.mark.parametrize(
    "mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "PLAIN"]
)
async def test_a_client_logs_in_over_starttls_with_each_mechanism(
    server: RunningServer, person: Any, mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Slix(person("ada"), mechanism=mechanism)
    if mechanism.endswith("-PLUS"):  # this Python has no channel binding for TLS 1.3
        client.ssl_context.maximum_version = client.ssl_context.maximum_version.TLSv1_2
    await client.event_of("auth_success", lambda: client.log_in(server.port))
    assert client["feature_mechanisms"].mech.name == mechanism
    assert mechanism in client["feature_mechanisms"].mech_list
    await asyncio.wait_for(client.disconnect(wait=1), PATIENCE)


async def test_a_client_logs_in_over_direct_tls(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.xmpps_port, direct_tls=True) as ada:
        await ada.ping()
        assert ada.socket.version() in ("TLSv1.2", "TLSv1.3")


async def test_a_wrong_password_is_refused(server: RunningServer, person: Any) -> None:
    client = Slix(person("ada"), "wrong")
    failure = await client.event_of("failed_auth", lambda: client.log_in(server.port))
    assert failure["condition"] == "not-authorized"
    await asyncio.wait_for(client.disconnect(wait=1), PATIENCE)


async def test_the_roster_is_kept_and_pushed_to_the_other_device(server: RunningServer, person: Any) -> None:
    jid, ben = person("ada"), person("ben")
    async with online(jid, server.port) as phone, online(jid, server.port) as desk:
        await desk.get_roster()
        await desk.event_of(
            "roster_update", lambda: phone.update_roster(ben, name="Ben", groups=["friends", "it's <&>"])
        )
        assert desk.client_roster[ben]["name"] == "Ben"
        assert set(desk.client_roster[ben]["groups"]) == {"friends", "it's <&>"}
    async with online(jid, server.port) as phone:
        await phone.get_roster()
        assert phone.client_roster[ben]["name"] == "Ben"
        await phone.event_of("roster_update", lambda: phone.del_roster_item(ben))
    async with online(jid, server.port) as phone:
        roster = await phone.get_roster()
        assert list(roster["roster"]["items"]) == []


async def test_two_people_subscribe_and_see_each_other_come_and_go(
    server: RunningServer, person: Any
) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ada_jid, server.port) as ada:
        async with online(ben_jid, server.port) as ben:
            await befriend(ada, ben)
            ben.send_presence(pshow="away", pstatus="at lunch")
            while (presence := await ada.presence("away", ben_jid))["status"] != "at lunch":
                pass
            assert presence["from"] == ben.boundjid
            roster = await ada.get_roster()
            assert roster["roster"]["items"][ben_jid]["subscription"] == "both"
        await ada.presence("unavailable", ben_jid)
    async with online(ben_jid, server.port), online(ada_jid, server.port) as ada:
        await ada.presence("available", ben_jid)
        ada.send_presence_subscription(pto=ben_jid, ptype="unsubscribe")
        await ada.presence("unavailable", ben_jid)


async def test_a_question_asked_while_away_is_there_at_the_next_login(
    server: RunningServer, person: Any
) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ada_jid, server.port) as ada:
        ada.send_presence_subscription(pto=ben_jid, ptype="subscribe")
        await ada.ping()
    async with online(ben_jid, server.port) as ben:
        await ben.presence("subscribe", ada_jid)


async def test_messages_go_each_way_with_every_character(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.port) as ada, online(person("ben"), server.port) as ben:
        text = ']]> <b>it\'s</b> & "ö" 👩‍💻\n\tnext line'
        ada.send_message(mto=ben.boundjid.bare, mbody=text, mtype="chat")
        message = await ben.message()
        assert message["body"] == text
        assert message["from"] == ada.boundjid
        message.reply("you too").send()
        assert (await ada.message())["body"] == "you too"


async def test_a_message_to_somebody_away_comes_with_its_time(server: RunningServer, person: Any) -> None:
    ben_jid = person("ben")
    async with online(person("ada"), server.port) as ada:
        for number in range(3):
            ada.send_message(mto=ben_jid, mbody=f"message {number}", mtype="chat")
        await ada.ping()
    async with online(ben_jid, server.port) as ben:
        for number in range(3):
            message = await ben.message()
            assert message["body"] == f"message {number}"
            assert message["delay"]["stamp"] is not None
        await ben.ping()
        assert ben.inbox.empty()
    async with online(ben_jid, server.port) as ben:
        await ben.ping()
        assert ben.inbox.empty()


async def test_a_message_to_nobody_is_answered_with_an_error(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.port) as ada:
        ada.send_message(mto="nobody@localhost", mbody="hello?", mtype="chat")
        answer = await asyncio.wait_for(ada.inbox.get(), PATIENCE)
        assert answer["type"] == "error"
        assert answer["error"]["condition"] == "service-unavailable"


async def test_a_receipt_travels_back(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.port) as ada, online(person("ben"), server.port) as ben:
        message = ada.make_message(mto=ben.boundjid, mbody="read this", mtype="chat")
        message["request_receipt"] = True
        receipt = await ada.event_of("receipt_received", message.send)
        assert receipt["receipt"] == message["id"]


async def test_the_archive_is_read_page_by_page(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.port) as ada, online(person("ben"), server.port) as ben:
        for number in range(25):
            sender, recipient = (ada, ben) if number % 2 else (ben, ada)
            sender.send_message(mto=recipient.boundjid.bare, mbody=f"message {number}", mtype="chat")
            await recipient.message()
        ada.send_message(mto=ada.boundjid.bare, mbody="to myself", mtype="chat")
        await ada.ping()
        found = []
        async for result in ada["xep_0313"].iterate(with_jid=ben.boundjid.bare, rsm={"max": 10}):
            forwarded = result["mam_result"]["forwarded"]
            assert forwarded["delay"]["stamp"] is not None
            found.append(forwarded["stanza"]["body"])
        assert found == [f"message {number}" for number in range(25)]
        backwards = []
        async for result in ada["xep_0313"].iterate(
            with_jid=ben.boundjid.bare, reverse=True, total=5, rsm={"max": 5}
        ):
            backwards.append(result["mam_result"]["forwarded"]["stanza"]["body"])
        assert sorted(backwards) == [f"message {number}" for number in range(20, 25)]


async def test_carbons_show_a_conversation_on_the_other_device(server: RunningServer, person: Any) -> None:
    ada_jid = person("ada")
    async with (
        online(ada_jid, server.port, carbons=True) as phone,
        online(ada_jid, server.port, carbons=True) as desk,
        online(person("ben"), server.port) as ben,
    ):
        sent = await desk.event_of(
            "carbon_sent", lambda: phone.send_message(mto=ben.boundjid, mbody="from my phone", mtype="chat")
        )
        assert sent["carbon_sent"]["body"] == "from my phone"
        received = await desk.event_of(
            "carbon_received",
            lambda: ben.send_message(mto=phone.boundjid, mbody="to your phone", mtype="chat"),
        )
        assert received["carbon_received"]["body"] == "to your phone"
        assert (await phone.message())["body"] == "to your phone"


async def test_a_lost_connection_is_resumed_with_nothing_lost_or_doubled(
    server: RunningServer, person: Any
) -> None:
    async with online(person("ada"), server.port) as ada, online(person("ben"), server.port) as ben:
        bound = ben.boundjid
        ada.send_message(mto=bound.bare, mbody="before", mtype="chat")
        assert (await ben.message())["body"] == "before"
        await ben.event_of("disconnected", ben.abort)
        for number in range(5):
            ada.send_message(mto=bound.bare, mbody=f"meanwhile {number}", mtype="chat")
        await ada.ping()
        await ben.event_of("session_resumed", lambda: ben.log_in(server.port))
        assert ben.boundjid == bound
        assert [(await ben.message())["body"] for _ in range(5)] == [f"meanwhile {n}" for n in range(5)]
        ben.send_message(mto=ada.boundjid.bare, mbody="after", mtype="chat")
        assert (await ada.message())["body"] == "after"
        await ben.ping()
        assert ben.inbox.empty()


async def test_a_blocked_person_is_not_heard_until_unblocked(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.port) as ada, online(person("eve"), server.port) as eve:
        await ada["xep_0191"].block(eve.boundjid.bare)
        eve.send_message(mto=ada.boundjid.bare, mbody="let me in", mtype="chat")
        answer = await asyncio.wait_for(eve.inbox.get(), PATIENCE)
        assert answer["error"]["condition"] == "service-unavailable"
        ada.send_message(mto=eve.boundjid.bare, mbody="no", mtype="chat")
        answer = await asyncio.wait_for(ada.inbox.get(), PATIENCE)
        assert answer["error"]["condition"] == "not-acceptable"
        blocked = await ada["xep_0191"].get_blocked()
        assert {item["jid"] for item in blocked["blocklist"]} == {eve.boundjid.bare}
        await ada["xep_0191"].unblock(eve.boundjid.bare)
        eve.send_message(mto=ada.boundjid.bare, mbody="thanks", mtype="chat")
        assert (await ada.message())["body"] == "thanks"


async def test_a_nickname_reaches_friends_who_want_it(server: RunningServer, person: Any) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ada_jid, server.port) as ada, online(ben_jid, server.port) as ben:
        await befriend(ada, ben)
        ben["xep_0163"].add_interest("http://jabber.org/protocol/nick")
        await ben["xep_0115"].update_caps()
        await ben.ping()
        await asyncio.sleep(0.2)  # the server asks what these capabilities mean
        news = await ben.event_of("user_nick_publish", lambda: ada["xep_0172"].publish_nick("Ada <3"))
        assert news["from"].bare == ada_jid
        assert news["pubsub_event"]["items"]["item"]["nick"]["nick"] == "Ada <3"
        items = await ben["xep_0060"].get_items(ada_jid, "http://jabber.org/protocol/nick")
        (item,) = items["pubsub"]["items"]["substanzas"]
        assert item["payload"].text == "Ada <3"


async def test_discovery_tells_what_server_and_account_can_do(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.port) as ada:
        info = await ada["xep_0030"].get_info("localhost")
        assert ("server", "im") in {
            (identity[0], identity[1]) for identity in info["disco_info"]["identities"]
        }
        assert {"urn:xmpp:carbons:2", "urn:xmpp:blocking", "urn:xmpp:ping"} <= set(
            info["disco_info"]["features"]
        )
        info = await ada["xep_0030"].get_info(ada.boundjid.bare)
        assert ("pubsub", "pep") in {
            (identity[0], identity[1]) for identity in info["disco_info"]["identities"]
        }
        assert {"urn:xmpp:mam:2", "urn:xmpp:sid:0"} <= set(info["disco_info"]["features"])


async def test_a_request_that_nobody_understands_is_refused(server: RunningServer, person: Any) -> None:
    async with online(person("ada"), server.port) as ada:
        iq = ada.make_iq_get(queryxmlns="urn:example:unheard-of", ito="localhost")
        with pytest.raises(IqError) as refused:
            await iq.send(timeout=PATIENCE)
        assert refused.value.condition == "service-unavailable"
