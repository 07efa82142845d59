"""Each kind of data of XEP-0227, in a store of this process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio

from kith.accounts.credentials import check_password
from kith.base.clock import Clock
from kith.base.ids import stamp_of
from kith.core.actors.roster import MAX_ITEMS, Roster
from kith.features.pubsub import Nodes
from kith.moving.importing import BEGUN, derive
from kith.ports.store import LogQuery, Store
from kith.store.sqlite import SQLiteStore
from kith.wire.jid import parse_jid
from tests.moving.place import DOMAIN, KEYS, account_id, bodies, given, opened, reasons, take, user, waiting


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    async with opened(tmp_path) as made:
        yield made


async def _nodes(store: Store) -> Nodes:
    return await Nodes.load(store, Clock(), await account_id(store))


def contact(jid: str, inside: str = "", **attrs: str) -> str:
    written = "".join(f" {name}='{value}'" for name, value in attrs.items())
    return f"<item jid='{jid}'{written}>{inside}</item>"


def roster(*items: str) -> str:
    return f"<query xmlns='jabber:iq:roster'>{''.join(items)}</query>"


def archived(text: str, stamp: str, sender: str = f"ben@{DOMAIN}/x", to: str = f"ada@{DOMAIN}") -> str:
    message = (
        f"<message xmlns='jabber:client' from='{sender}' to='{to}' type='chat'><body>{text}</body></message>"
    )
    return (
        f"<result xmlns='urn:xmpp:mam:2' id='{text}'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>{message}</forwarded></result>"
    )


def archive(*results: str) -> str:
    return f"<archive xmlns='urn:xmpp:pie:0#mam'>{''.join(results)}</archive>"


def offline(text: str, stamp: str = "2024-05-01T10:00:00Z", sender: str = f"ben@{DOMAIN}/x") -> str:
    return (
        f"<offline-messages><message xmlns='jabber:client' from='{sender}' to='ada@{DOMAIN}' type='chat'>"
        f"<body>{text}</body><delay xmlns='urn:xmpp:delay' stamp='{stamp}'/></message></offline-messages>"
    )


# -- accounts -----------------------------------------------------------------------------------------


def scram(name: str, password: bytes, twice: bool = False) -> str:
    """Keys as a server makes them (RFC 5802 §3), with base64 once or, as ejabberd, twice."""
    algorithm = name.replace("-", "").lower()
    salted = hashlib.pbkdf2_hmac(algorithm, password, b"salt of 16 bytes", 4096)
    client, server = (hmac.digest(salted, key, algorithm) for key in (b"Client Key", b"Server Key"))
    values = [
        base64.b64encode(v) for v in (b"salt of 16 bytes", hashlib.new(algorithm, client).digest(), server)
    ]
    salt, stored, server_key = ((base64.b64encode(v) if twice else v).decode() for v in values)
    return (
        f"<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-{name}'>"
        f"<iter-count>4096</iter-count><salt>{salt}</salt><server-key>{server_key}</server-key><stored-key>{stored}</stored-key>"
        "</scram-credentials>"
    )


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("name", ["SHA-1", "SHA-256", "SHA-512"])
async def test_the_old_password_is_right_after_the_move(store: SQLiteStore, name: str, twice: bool) -> None:
    await take(store, user(scram(name, b"geheim", twice)))
    record = await store.account(f"ada@{DOMAIN}")
    assert record is not None
    assert check_password(record.keys, "geheim")
    assert not check_password(record.keys, "falsch")


@pytest.mark.parametrize(
    "keys",
    [
        KEYS.replace("SCRAM-SHA-1", "SCRAM-MD5"),
        KEYS.replace("4096", "999999999"),
        KEYS.replace("4096", "0"),
        KEYS.replace("KfoV+kmzxqLBWfZ1Fsa+1/aFo/k=", "c2hvcnQ="),
        KEYS.replace("KfoV+kmzxqLBWfZ1Fsa+1/aFo/k=", "***"),
    ],
)
async def test_keys_that_can_not_be_right_are_told_and_the_account_is_taken(
    store: SQLiteStore, keys: str
) -> None:
    report = await take(store, user(keys + roster(contact("ben@x.example"))))
    assert report.taken["contacts"] == 1
    assert any("a password was not taken" in note for note in report.notes)
    assert any("no password came with the account" in note for note in report.notes)
    record = await store.account(f"ada@{DOMAIN}")
    assert record is not None
    assert record.keys == {}


def test_keys_are_derived_from_plain_passwords() -> None:
    (one, keys), (other, why) = derive([("a@x", "geheim"), ("b@x", "")])
    assert (one, other, why) == ("a@x", "b@x", "the password is empty")
    assert isinstance(keys, dict)
    assert check_password(keys, "geheim")


async def test_plain_passwords_stay_the_same_and_weak_ones_are_told(store: SQLiteStore) -> None:
    people = "".join(f"<user name='p{n}' password='geheim {n}'/>" for n in range(30))
    people += f"<user name='both' password='falsch'>{scram('SHA-1', b'richtig')}</user>"
    people += "<user name='bell' password='\u200b'/>"
    with ThreadPoolExecutor(2) as workers:
        hosts = f"<host jid='{DOMAIN}'>{people}</host>"
        report = await take(
            store, f"<server-data xmlns='urn:xmpp:pie:0'>{hosts}</server-data>", workers=workers
        )
    for name, password in (("p0", "geheim 0"), ("p29", "geheim 29"), ("both", "richtig")):
        record = await store.account(f"{name}@{DOMAIN}")
        assert record is not None
        assert check_password(record.keys, password)
    assert report.taken["accounts"] == 32
    assert any("a password was not taken" in note for note in report.notes)


async def test_a_newer_card_is_there_for_older_clients(store: SQLiteStore) -> None:
    card = (
        "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Ada L</text></fn><n><surname>L</surname>"
        "<given>Ada</given><prefix/></n><url><uri>http://x.example</uri></url><email><text>a@x</text></email></vcard>"
    )
    inside = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:vcard4'>"
        f"<item id='current'>{card}</item></items></pubsub>"
    )
    await take(store, user(inside))
    stored = await store.document(await account_id(store), "vcard", "")
    assert stored is not None
    assert stored.value == (
        b"<vCard xmlns='vcard-temp'><FN>Ada L</FN><URL>http://x.example</URL><N><FAMILY>L</FAMILY>"
        b"<GIVEN>Ada</GIVEN></N><EMAIL><USERID>a@x</USERID></EMAIL></vCard>"
    )


async def test_accounts_of_other_domains_twice_or_without_an_address_are_told(store: SQLiteStore) -> None:
    def host(name: str, *people: str) -> str:
        inside = "".join(f"<user name='{person}'/>" for person in people)
        return f"<host jid='{name}'>{inside}</host>"

    hosts = host(DOMAIN, "ada", "Ada", "a b", "", "x/y") + host("rooms.new.example", "tea") + host("", "z")
    report = await take(store, f"<server-data xmlns='urn:xmpp:pie:0'>{hosts}</server-data>")
    assert await store.accounts() == [f"ada@{DOMAIN}"]
    told = reasons(report)
    assert told["accounts: not an address"] == 3
    assert told["accounts: twice in the files"] == 1
    assert sum(count for reason, count in told.items() if "not of new.example" in reason) == 2


# -- contacts -----------------------------------------------------------------------------------------


async def test_contacts_keep_states_names_groups_and_questions(store: SQLiteStore) -> None:
    groups = "<group>Friends</group><group>Work</group><group/>"
    items = [
        contact("one@x.example", groups, name="Ö &amp; Co", subscription="both"),
        contact("two@x.example", subscription="to"),
        contact("three@x.example", subscription="from", approved="true"),
        contact("four@x.example", subscription="none", ask="subscribe"),
        contact("five@x.example", approved="1"),
        contact("gone@x.example", subscription="remove"),
        contact("x.example", subscription="both"),
        contact("no@@address"),
        contact(f"ada@{DOMAIN}"),
        contact("one@x.example"),
        contact("six@x.example", subscription="maybe"),
    ]
    report = await take(store, user(roster(*items)))
    loaded = {item.jid: item for item in await Roster.load(store, await account_id(store))}
    assert (loaded["one@x.example"].name, loaded["one@x.example"].groups) == ("Ö & Co", ["Friends", "Work"])
    states = {jid: (item.subscription, item.ask, item.approved) for jid, item in loaded.items()}
    assert states == {
        "one@x.example": ("both", False, False),
        "two@x.example": ("to", False, False),
        "three@x.example": ("from", False, False),
        "four@x.example": ("none", True, False),
        "five@x.example": ("none", False, True),
        "x.example": ("both", False, False),
    }
    assert sum(reasons(report).values()) == 4


async def test_requests_wait_for_their_answer(store: SQLiteStore) -> None:
    requests = (
        "<presence xmlns='jabber:client' from='eva@x.example/phone' type='subscribe'>"
        "<status>Hi</status></presence>"
        "<presence from='kim@x.example' type='subscribe'/>"  # as Prosody writes it
        "<presence from='ben@x.example' type='subscribe'/>"  # who gets the presence already
        "<presence from='@' type='subscribe'/>"
    )
    report = await take(store, user(requests + roster(contact("ben@x.example", subscription="from"))))
    loaded = await Roster.load(store, await account_id(store))
    stanzas = loaded.requests()
    assert len(stanzas) == 2
    assert b"from='eva@x.example'" in stanzas[0]
    assert b"<status>Hi</status>" in stanzas[0]
    assert report.count_left("requests") == 1


async def test_a_roster_has_its_limit_and_the_rest_is_counted(store: SQLiteStore) -> None:
    items = [contact(f"c{number}@x.example") for number in range(MAX_ITEMS + 7)]
    report = await take(store, user(roster(*items)))
    assert (report.taken["contacts"], report.count_left("contacts")) == (MAX_ITEMS, 7)


async def test_a_new_domain_is_in_all_addresses_and_strangers_are_asked_again(store: SQLiteStore) -> None:
    old = "old.example"
    inside = (
        roster(
            contact(f"ben@{old}", subscription="both"),
            contact("eva@x.example", "<group>F</group>", subscription="both"),
        )
        + f"<presence from='cem@{old}' type='subscribe'/>"
        + f"<query xmlns='jabber:iq:privacy'><default name='b'/><list name='b'>"
        f"<item type='jid' value='dan@{old}' action='deny' order='1'/></list></query>"
        + archive(archived("hi", "2024-05-01T10:00:00Z", f"ben@{old}/x", f"ada@{old}"))
        + offline("late", sender=f"ben@{old}").replace(f"ada@{DOMAIN}", f"ada@{old}")
    )
    report = await take(store, user(inside, host=old), old_example=DOMAIN)
    account = await account_id(store)
    loaded = {item.jid: item for item in await Roster.load(store, account)}
    assert loaded[f"ben@{DOMAIN}"].subscription == "both"
    assert (loaded["eva@x.example"].subscription, loaded["eva@x.example"].groups) == ("none", ["F"])
    assert any("asked again" in note for note in report.notes)
    assert old not in (await given(store))
    assert (await bodies(store), await waiting(store)) == ([b"late", b"hi"][::-1], [b"late"])


# -- cards, private storage, block lists ------------------------------------------------------------------


async def test_the_photo_of_a_card_is_the_avatar(store: SQLiteStore) -> None:
    photo = base64.b64encode(b"picture").decode()
    photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{photo}</BINVAL></PHOTO>"
    card = f"<vCard xmlns='vcard-temp'><FN>Ada</FN>{photo}</vCard>"
    await take(store, user(card))
    account = await account_id(store)
    stored = await store.document(account, "vcard", "")
    assert stored is not None
    assert stored.value == b"<vCard xmlns='vcard-temp'><FN>Ada</FN></vCard>"
    nodes = await _nodes(store)
    id = hashlib.sha1(b"picture").hexdigest()
    assert list(await nodes.items(nodes.nodes["urn:xmpp:avatar:data"])) == [id]
    assert nodes.nodes["urn:xmpp:avatar:metadata"].config.access_model == "open"
    hash = await store.document(account, "avatar", "")
    assert hash is not None
    assert hash.value == id.encode()


async def test_a_card_with_a_broken_photo_is_taken_without_it(store: SQLiteStore) -> None:
    card = "<vCard xmlns='vcard-temp'><FN>Ada</FN><PHOTO><BINVAL>***</BINVAL></PHOTO></vCard>"
    report = await take(store, user(card))
    assert report.taken["cards"] == 1
    assert any("a photo was left out" in note for note in report.notes)


async def test_private_elements_are_kept_and_bookmarks_become_items(store: SQLiteStore) -> None:
    inside = (
        "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><nick>A</nick></exodus>"
        "<storage xmlns='storage:bookmarks'><url url='http://x.example'/><conference jid='tea@rooms.example' "
        "name='Tea' autojoin='1'><nick>ada</nick></conference><conference jid='@'/></storage>"
        "<nothing xmlns=''/></query>"
    )
    report = await take(store, user(inside))
    kept = {d.key: d.value for d in await store.documents(await account_id(store), "private")}
    assert b"<nick>A</nick>" in kept["{exodus:prefs}exodus"]
    assert b"url" in kept["{storage:bookmarks}storage"]
    assert b"conference" not in kept["{storage:bookmarks}storage"]
    nodes = await _nodes(store)
    items = await nodes.items(nodes.nodes["urn:xmpp:bookmarks:1"])
    assert b"autojoin='true'" in items["tea@rooms.example"].payload
    assert nodes.nodes["urn:xmpp:bookmarks:1"].config.access_model == "whitelist"
    assert b"tea@rooms.example" in (await nodes.items(nodes.nodes["storage:bookmarks"]))["current"].payload
    assert set(reasons(report)) == {
        "private elements: too large, or without a namespace of its own",
        "items: a bookmark without the address of a room",
    }


async def test_both_forms_of_block_lists_are_taken(store: SQLiteStore) -> None:
    inside = (
        "<blocklist xmlns='urn:xmpp:blocking'><item jid='a@x.example'/><item jid='b.example'/></blocklist>"
        "<query xmlns='jabber:iq:privacy'><default name='mine'/><list name='mine'>"
        "<item type='jid' value='c@x.example' action='deny' order='1'/>"
        "<item type='jid' value='d@x.example' action='deny' order='2'><message/></item>"
        "<item type='jid' value='e@x.example' action='deny' order='3'><presence-out/></item>"
        "<item type='jid' value='f@x.example' action='allow' order='4'/>"
        "<item type='group' value='Work' action='deny' order='5'/></list>"
        "<list name='other'><item type='jid' value='g@x.example' action='deny' order='1'/></list></query>"
    )
    report = await take(store, user(inside))
    blocked = [d.key for d in await store.documents(await account_id(store), "blocking")]
    assert blocked == ["a@x.example", "b.example", "c@x.example", "d@x.example"]
    assert report.count_left("blocked addresses") == 4


# -- nodes --------------------------------------------------------------------------------------------


def configure(node: str, **settings: str) -> str:
    fields = "".join(
        f"<field var='pubsub#{name}'>{f'<value>{value}</value>' if value else ''}</field>"
        for name, value in settings.items()
    )
    return f"<configure node='{node}'><x xmlns='jabber:x:data' type='submit'>{fields}</x></configure>"


def items(node: str, *ids: str) -> str:
    inside = "".join(f"<item id='{id}'><n xmlns='urn:n'>{id}</n></item>" for id in ids)
    return f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'>{inside}</items></pubsub>"


def owned(*inside: str) -> str:
    return f"<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{''.join(inside)}</pubsub>"


@pytest.mark.parametrize("settings_first", [True, False])
async def test_nodes_keep_access_size_members_and_the_order_of_items(
    store: SQLiteStore, settings_first: bool
) -> None:
    settings = owned(
        configure(
            "notes", access_model="roster", roster_groups_allowed="F", max_items="2", title="", tempsub="1"
        ),
        "<affiliations node='notes'><affiliation jid='ben@x.example' affiliation='publisher'/>"
        "<affiliation jid='x' affiliation='emperor'/></affiliations>",
        "<subscriptions node='notes'><subscription jid='ben@x.example/a' subscription='subscribed'/>"
        "</subscriptions>",
    )
    parts = [settings, items("notes", "a", "b", "c")]
    report = await take(store, user("".join(parts if settings_first else parts[::-1])))
    nodes = await _nodes(store)
    node = nodes.nodes["notes"]
    assert (node.config.access_model, node.config.roster_groups_allowed) == ("roster", ["F"])
    assert node.record.affiliations == {"ben@x.example": "publisher"}
    assert node.record.subscribers == ["ben@x.example/a"]
    assert list(await nodes.items(node)) == ["b", "c"]
    assert any("tempsub" in note for note in report.notes)


async def test_a_node_with_an_access_that_kith_does_not_have_is_closed(store: SQLiteStore) -> None:
    await take(store, user(owned(configure("secret", access_model="quantum")) + items("secret", "a")))
    assert (await _nodes(store)).nodes["secret"].config.access_model == "whitelist"


async def test_items_of_nodes_without_settings_are_all_kept(store: SQLiteStore) -> None:
    await take(store, user(items("notes", *map(str, range(30)))))
    nodes = await _nodes(store)
    assert list(await nodes.items(nodes.nodes["notes"])) == [str(number) for number in range(30)]


# -- messages -----------------------------------------------------------------------------------------


async def test_an_archive_keeps_order_times_and_peers_and_is_not_delivered_again(store: SQLiteStore) -> None:
    results = [
        archived("one", "2024-05-01T10:00:00Z"),
        archived("two", "2024-05-01T10:00:00Z", f"ada@{DOMAIN}/a", f"ben@{DOMAIN}"),
        archived("three", "2024-05-01T10:00:00Z"),
        archived("four", "2024-05-01T10:00:01.5Z"),
        archived("others", "2024-05-01T10:00:02Z", "eva@x.example", "kim@x.example"),
        archived("future", "2999-01-01T00:00:00Z"),
        archived("timeless", "yesterday"),
    ]
    report = await take(store, user(archive(*results)))
    assert await bodies(store) == [b"one", b"two", b"three", b"four", b"future"]
    assert await waiting(store) == []
    page = await store.page(LogQuery(await account_id(store), peer=f"ben@{DOMAIN}"))
    assert len(page.entries) == 5
    assert stamp_of(page.entries[0].id).startswith("2024-05-01T10:00:00.000")
    assert stamp_of(page.entries[3].id).startswith("2024-05-01T10:00:01.500")
    assert stamp_of(page.entries[4].id) < "2999"  # or new messages would get times after it
    assert report.count_left("archived messages") == 2


async def test_both_sides_of_a_conversation_have_the_same_times(store: SQLiteStore) -> None:
    sent = [archived(str(n), "2024-05-01T10:00:00Z") for n in range(50)]
    people = f"<user name='ada'>{archive(*sent)}</user><user name='ben'>{archive(*sent)}</user>"
    await take(
        store, f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{DOMAIN}'>{people}</host></server-data>"
    )
    assert await bodies(store, "ada") == await bodies(store, "ben") == [b"%d" % n for n in range(50)]


async def test_what_waits_is_delivered_once_even_if_the_archive_has_it(store: SQLiteStore) -> None:
    same = archived("both", "2024-05-01T10:00:00Z")
    for parts in (archive(same) + offline("both"), offline("both") + archive(same)):
        report = await take(store, user(parts + offline("alone", "2024-05-01T09:00:00Z")))
        assert report.taken["waiting messages"] == 2
        assert sorted(await waiting(store)) == [b"alone", b"both"]
        assert sorted(await bodies(store)) == [b"alone", b"both"]
        store.mark_delivered(await account_id(store), 0, [e.id for e in await _entries(store)])
        await store.flush()
        assert await waiting(store) == []
        await store.delete_account(f"ada@{DOMAIN}")


async def _entries(store: SQLiteStore) -> list:  # type: ignore[type-arg]
    return await store.undelivered(await account_id(store), 0, 100)


# -- runs ---------------------------------------------------------------------------------------------

FULL = (
    KEYS
    + roster(contact("ben@x.example", subscription="both"))
    + "<presence from='eva@x.example' type='subscribe'/>"
    + "<vCard xmlns='vcard-temp'><FN>Ada</FN></vCard>"
    + "<query xmlns='jabber:iq:private'><e xmlns='e:e'/></query>"
    + "<blocklist xmlns='urn:xmpp:blocking'><item jid='a@x.example'/></blocklist>"
    + owned(configure("notes", access_model="open", max_items="9"))
    + items("notes", "a", "b")
    + offline("late")
    + offline("both", "2024-05-01T10:00:02Z")
    + archive(
        archived("one", "2024-05-01T10:00:00Z"),
        archived("one", "2024-05-01T10:00:00Z"),
        archived("both", "2024-05-01T10:00:01Z"),
    )
)


async def test_a_trial_writes_nothing_and_says_what_the_import_says(store: SQLiteStore) -> None:
    trial = await take(store, user(FULL), real=False)
    assert await store.accounts() == []
    real = await take(store, user(FULL))
    assert trial.taken == real.taken
    assert reasons(trial) == reasons(real)


async def test_a_second_run_changes_nothing(store: SQLiteStore) -> None:
    await take(store, user(FULL))
    before = await given(store)
    again = await take(store, user(FULL))
    assert (again.taken, again.there) == ({}, {"accounts": 1})
    merged = await take(store, user(FULL), merge=True)
    assert sum(merged.taken.values()) == 0
    assert await given(store) == before


async def test_an_account_that_exists_gets_what_it_does_not_have(store: SQLiteStore) -> None:
    await take(store, user(roster(contact("ben@x.example", name="Mine")) + items("notes", "mine")))
    more = roster(contact("ben@x.example", name="Theirs"), contact("eva@x.example")) + items(
        "notes", "theirs"
    )
    await take(store, user(more + archive(archived("one", "2024-05-01T10:00:00Z"))), merge=True)
    loaded = {item.jid: item.name for item in await Roster.load(store, await account_id(store))}
    assert loaded == {"ben@x.example": "Mine", "eva@x.example": ""}
    nodes = await _nodes(store)
    assert list(await nodes.items(nodes.nodes["notes"])) == ["mine"]
    assert (await bodies(store), await waiting(store)) == ([b"one"], [])


async def test_an_interrupted_import_continues_where_it_was(store: SQLiteStore) -> None:
    whole = user(FULL)
    await take(store, whole)
    complete = await given(store)
    await store.delete_account(f"ada@{DOMAIN}")
    cuts = [
        whole.index(mark) for mark in ("<presence", "<blocklist", "<item id='b'", "<archive", "</archive>")
    ]
    for cut in cuts:
        with pytest.raises(Exception, match="not XML"):
            await take(store, whole[:cut])
        # as a process that is killed: what was read of the account before may be durable
        await _half(store, whole[:cut])
        report = await take(store, whole)
        assert report.there["accounts"] == 1
        assert _without_times(await given(store)) == _without_times(complete)
        assert await store.documents(0, BEGUN) == []
        await store.delete_account(f"ada@{DOMAIN}")


async def _half(store: SQLiteStore, text: str) -> None:
    """Imports the beginning of a file, whose end is missing."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cut.xml"
        file.write_text(text)
        await take(store, file)


def _without_times(text: str) -> str:
    return re.sub(r"(?:id|stamp)='[0-9a-f]{16}'|stamp='[^']*'", "", text)


async def test_what_is_exported_is_read_again_completely(store: SQLiteStore, tmp_path: Path) -> None:
    await take(store, user(FULL))
    text = await given(store)
    (tmp_path / "other").mkdir()
    async with opened(tmp_path / "other") as other:
        report = await take(other, text)
        assert not report.left
        assert not report.notes
        assert _without_times(await given(other)) == _without_times(text)
        assert await waiting(other) == [b"late", b"both"]


async def test_addresses_are_compared_as_prepared(store: SQLiteStore) -> None:
    await take(store, user(roster(contact("BEN@X.Example/phone"))))
    assert [item.jid for item in await Roster.load(store, await account_id(store))] == [
        parse_jid("ben@x.example").bare
    ]
