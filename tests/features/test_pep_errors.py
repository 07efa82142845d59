"""XEP-0060: what is refused, and in which words."""

from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element, tostring

import pytest

from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, online

PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = f"{PUBSUB}#owner"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
ERRORS = f"{{{PUBSUB}#errors}}"


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    server.add_user("owner")
    server.add_user("other")


@pytest.fixture
async def owner(server: RunningServer, accounts: None) -> AsyncIterator[RawClient]:
    """Has a node ``n`` with an item ``i``, an open one, ``o``, and a closed one, ``w``."""
    client = await online(server.port, "owner")
    for node in ("n", "o", "w"):
        # there is none the first time
        await client.iq("set", f"<pubsub xmlns='{OWNER}'><delete node='{node}'/></pubsub>")
        model = {"o": "open", "w": "whitelist"}.get(node)
        config = option("pubsub#access_model", model) if model else ""
        answer = await client.iq("set", create(node, config))
        assert answer.get("type") == "result", tostring(answer)
        answer = await client.iq("set", publish(node, "<item id='i'><p xmlns='x'/></item>"))
        assert answer.get("type") == "result", tostring(answer)
    yield client
    client.abort()


@pytest.fixture
async def other(server: RunningServer, accounts: None) -> AsyncIterator[RawClient]:
    """Sees the owner's presence: who does not gets the answers of an account that does not exist."""
    client = await online(server.port, "other")
    approving = await online(server.port, "owner")
    approving.send("<presence to='other@localhost' type='subscribed'/>")
    await approving.ping()
    client.send("<presence to='owner@localhost' type='subscribe'/>")
    await client.ping()
    approving.abort()
    yield client
    client.abort()


def option(var: str, value: str) -> str:
    return f"<field var='{var}'><value>{value}</value></field>"


def form(form_type: str, fields: str) -> str:
    return (
        f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{PUBSUB}#{form_type}</value>"
        f"</field>{fields}</x>"
    )


def create(node: str, fields: str = "") -> str:
    attribute = f" node='{node}'" if node else ""
    return (
        f"<pubsub xmlns='{PUBSUB}'><create{attribute}/><configure>{form('node_config', fields)}</configure>"
        "</pubsub>"
    )


def publish(node: str, inside: str, options: str = "") -> str:
    attribute = f" node='{node}'" if node else ""
    extra = f"<publish-options>{form('publish-options', options)}</publish-options>" if options else ""
    return f"<pubsub xmlns='{PUBSUB}'><publish{attribute}>{inside}</publish>{extra}</pubsub>"


def configure(node: str, fields: str) -> str:
    return (
        f"<pubsub xmlns='{OWNER}'><configure node='{node}'>{form('node_config', fields)}</configure></pubsub>"
    )


def refusal(answer: Element) -> tuple[str, str, str]:
    """Type, condition, and the condition of XEP-0060 of an error."""
    error = answer.find(f"{CLIENT}error")
    assert error is not None, tostring(answer)
    general = [child.tag.removeprefix(STANZAS) for child in error if child.tag.startswith(STANZAS)]
    special = [child.tag.removeprefix(ERRORS) for child in error if child.tag.startswith(ERRORS)]
    return error.get("type", ""), general[0], special[0] if special else ""


P = "<p xmlns='x'/>"
BY_OWNER = [
    ("publish without a node", publish("", f"<item>{P}</item>"), "modify bad-request nodeid-required"),
    ("publish nothing", publish("n", ""), "modify bad-request item-required"),
    ("publish an empty item", publish("n", "<item id='x'/>"), "modify bad-request payload-required"),
    ("two payloads", publish("n", f"<item>{P}{P}</item>"), "modify bad-request invalid-payload"),
    ("two items", publish("n", f"<item>{P}</item><item>{P}</item>"), "modify bad-request invalid-payload"),
    (
        "a payload that is too big",
        publish("n", f"<item><p xmlns='x'>{'x' * 270_000}</p></item>"),
        "modify not-acceptable payload-too-big",
    ),
    (
        "a precondition that is not met",
        publish("n", f"<item>{P}</item>", option("pubsub#access_model", "open")),
        "cancel conflict precondition-not-met",
    ),
    (
        "a precondition that nobody knows",
        publish("new", f"<item>{P}</item>", option("pubsub#colour", "red")),
        "cancel conflict precondition-not-met",
    ),
    (
        "an access model that is not there",
        publish("new", f"<item>{P}</item>", option("pubsub#access_model", "presences")),
        "cancel conflict precondition-not-met",
    ),
    ("create what exists", create("n"), "cancel conflict "),
    ("create without a name", create(""), "modify not-acceptable nodeid-required"),
    (
        "create with a wrong value",
        create("new", option("pubsub#max_items", "0")),
        "modify not-acceptable ",
    ),
    (
        "configure wrongly",
        configure("n", option("pubsub#persist_items", "maybe")),
        "modify not-acceptable ",
    ),
    (
        "configure publishers",
        configure("n", option("pubsub#publish_model", "everybody")),
        "modify not-acceptable ",
    ),
    ("configure what is not there", configure("nowhere", ""), "cancel item-not-found "),
    (
        "configure without a node",
        f"<pubsub xmlns='{OWNER}'><configure>{form('node_config', '')}</configure></pubsub>",
        "modify bad-request nodeid-required",
    ),
    (
        "configure without a form",
        f"<pubsub xmlns='{OWNER}'><configure node='n'/></pubsub>",
        "modify bad-request ",
    ),
    (
        "delete what is not there",
        f"<pubsub xmlns='{OWNER}'><delete node='nowhere'/></pubsub>",
        "cancel item-not-found ",
    ),
    (
        "purge what is not there",
        f"<pubsub xmlns='{OWNER}'><purge node='nowhere'/></pubsub>",
        "cancel item-not-found ",
    ),
    (
        "retract without a node",
        f"<pubsub xmlns='{PUBSUB}'><retract><item id='i'/></retract></pubsub>",
        "modify bad-request nodeid-required",
    ),
    (
        "retract nothing",
        f"<pubsub xmlns='{PUBSUB}'><retract node='n'/></pubsub>",
        "modify bad-request item-required",
    ),
    (
        "retract without an id",
        f"<pubsub xmlns='{PUBSUB}'><retract node='n'><item/></retract></pubsub>",
        "modify bad-request item-required",
    ),
    (
        "retract what is not there",
        f"<pubsub xmlns='{PUBSUB}'><retract node='n'><item id='x'/></retract></pubsub>",
        "cancel item-not-found ",
    ),
    (
        "an affiliation that is not there",
        f"<pubsub xmlns='{OWNER}'><affiliations node='n'>"
        "<affiliation jid='a@b' affiliation='publish-only'/></affiliations></pubsub>",
        "cancel feature-not-implemented unsupported",
    ),
    (
        "the owner resigns",
        f"<pubsub xmlns='{OWNER}'><affiliations node='n'>"
        "<affiliation jid='owner@localhost' affiliation='none'/></affiliations></pubsub>",
        "modify not-acceptable ",
    ),
    (
        "subscribe somebody else",
        f"<pubsub xmlns='{OWNER}'><subscriptions node='n'>"
        "<subscription jid='other@localhost' subscription='subscribed'/></subscriptions></pubsub>",
        "modify not-acceptable ",
    ),
    (
        "subscription options",
        f"<pubsub xmlns='{PUBSUB}'><options node='n' jid='owner@localhost'/></pubsub>",
        "cancel feature-not-implemented unsupported",
    ),
    ("nothing at all", f"<pubsub xmlns='{PUBSUB}'/>", "modify bad-request "),
    ("something unknown", f"<pubsub xmlns='{PUBSUB}'><x/></pubsub>", "cancel feature-not-implemented "),
]


@pytest.mark.parametrize(("request_", "expected"), [c[1:] for c in BY_OWNER], ids=[c[0] for c in BY_OWNER])
async def test_what_an_owner_is_refused(owner: RawClient, request_: str, expected: str) -> None:
    assert " ".join(refusal(await owner.iq("set", request_))) == expected


BY_OTHER = [
    ("publish", "set", publish("n", f"<item>{P}</item>"), "auth forbidden "),
    ("create", "set", create("new"), "auth forbidden "),
    ("configure", "set", configure("o", ""), "auth forbidden "),
    ("delete", "set", f"<pubsub xmlns='{OWNER}'><delete node='o'/></pubsub>", "auth forbidden "),
    ("purge", "set", f"<pubsub xmlns='{OWNER}'><purge node='o'/></pubsub>", "auth forbidden "),
    (
        "retract",
        "set",
        f"<pubsub xmlns='{PUBSUB}'><retract node='o'><item id='i'/></retract></pubsub>",
        "auth forbidden ",
    ),
    ("affiliations", "get", f"<pubsub xmlns='{OWNER}'><affiliations node='o'/></pubsub>", "auth forbidden "),
    (
        "subscriptions",
        "get",
        f"<pubsub xmlns='{OWNER}'><subscriptions node='o'/></pubsub>",
        "auth forbidden ",
    ),
    ("configuration", "get", f"<pubsub xmlns='{OWNER}'><configure node='o'/></pubsub>", "auth forbidden "),
    (
        "read",
        "get",
        f"<pubsub xmlns='{PUBSUB}'><items node='w'/></pubsub>",
        "cancel not-allowed closed-node",
    ),
    (
        "read what is not there",
        "get",
        f"<pubsub xmlns='{PUBSUB}'><items node='nowhere'/></pubsub>",
        "cancel item-not-found ",
    ),
    (
        "read without a node",
        "get",
        f"<pubsub xmlns='{PUBSUB}'><items/></pubsub>",
        "modify bad-request nodeid-required",
    ),
    (
        "read a wrong number",
        "get",
        f"<pubsub xmlns='{PUBSUB}'><items node='o' max_items='-1'/></pubsub>",
        "modify bad-request ",
    ),
    (
        "subscribe",
        "set",
        f"<pubsub xmlns='{PUBSUB}'><subscribe node='w' jid='other@localhost'/></pubsub>",
        "cancel not-allowed closed-node",
    ),
    (
        "subscribe somebody else",
        "set",
        f"<pubsub xmlns='{PUBSUB}'><subscribe node='o' jid='owner@localhost'/></pubsub>",
        "modify bad-request invalid-jid",
    ),
    (
        "unsubscribe without a subscription",
        "set",
        f"<pubsub xmlns='{PUBSUB}'><unsubscribe node='o' jid='other@localhost'/></pubsub>",
        "cancel unexpected-request not-subscribed",
    ),
    (
        "unsubscribe somebody else",
        "set",
        f"<pubsub xmlns='{PUBSUB}'><unsubscribe node='o' jid='owner@localhost'/></pubsub>",
        "auth forbidden ",
    ),
]


@pytest.mark.parametrize(
    ("type", "request_", "expected"), [c[1:] for c in BY_OTHER], ids=[c[0] for c in BY_OTHER]
)
async def test_what_others_are_refused(
    owner: RawClient, other: RawClient, type: str, request_: str, expected: str
) -> None:
    assert " ".join(refusal(await other.iq(type, request_, "owner@localhost"))) == expected


async def test_the_domain_and_absent_accounts_have_no_nodes(other: RawClient) -> None:
    for to, expected in (("localhost", "service-unavailable"), ("nobody@localhost", "item-not-found")):
        answer = await other.iq("get", f"<pubsub xmlns='{PUBSUB}'><items node='o'/></pubsub>", to)
        assert refusal(answer) == ("cancel", expected, "")


async def test_an_account_has_a_bounded_number_of_nodes(server: RunningServer) -> None:
    server.add_user("hoarder")
    client = await online(server.port, "hoarder")
    for number in range(256):
        client.send(f"<iq type='set' id='c{number}'>{create(f'n{number}')}</iq>")
    answer = await client.iq("set", create("one-too-many"))
    assert refusal(answer)[1] == "resource-constraint"
    answer = await client.iq("set", publish("n7", f"<item>{P}</item>"))
    assert answer.get("type") == "result"
    client.abort()


async def test_a_page_of_items_after_the_other(owner: RawClient) -> None:
    await owner.result("set", configure("o", option("pubsub#max_items", "max")))
    await owner.result("set", f"<pubsub xmlns='{OWNER}'><purge node='o'/></pubsub>")
    for id in "abcde":
        await owner.result("set", publish("o", f"<item id='{id}'>{P}</item>"))

    async def page(set: str, attributes: str = "") -> tuple[list[str | None], str | None]:
        inside = f"<set xmlns='http://jabber.org/protocol/rsm'>{set}</set>" if set else ""
        answer = await owner.iq(
            "get", f"<pubsub xmlns='{PUBSUB}'><items node='o'{attributes}/>{inside}</pubsub>"
        )
        ids = [item.get("id") for item in answer.iter(f"{{{PUBSUB}}}item")]
        return ids, answer.findtext(".//{http://jabber.org/protocol/rsm}count")

    assert await page("") == (list("abcde"), None)
    assert await page("", " max_items='2'") == (["d", "e"], None)
    assert await page("<max>2</max>") == (["a", "b"], "5")
    assert await page("<max>2</max><after>b</after>") == (["c", "d"], "5")
    assert await page("<max>2</max><before/>") == (["d", "e"], "5")
    assert await page("<max>2</max><before>d</before>") == (["b", "c"], "5")
    assert await page("<max>0</max>") == ([], "5")


async def test_an_answer_is_bounded_and_says_so(owner: RawClient) -> None:
    await owner.result("set", configure("o", option("pubsub#max_items", "max")))
    big = "x" * 60_000
    for number in range(12):
        await owner.result("set", publish("o", f"<item id='{number}'><p xmlns='x'>{big}</p></item>"))
    answer = await owner.iq("get", f"<pubsub xmlns='{PUBSUB}'><items node='o'/></pubsub>")
    ids = [item.get("id") for item in answer.iter(f"{{{PUBSUB}}}item")]
    assert ids == [str(number) for number in range(4, 12)]
    assert answer.findtext(".//{http://jabber.org/protocol/rsm}first") == "4"
    for number in range(12, 40):
        last = await owner.iq("set", publish("o", f"<item id='{number}'><p xmlns='x'>{big}</p></item>"))
    assert refusal(last)[1] == "resource-constraint"


async def test_lists_of_members_and_defaults(owner: RawClient, other: RawClient) -> None:
    subscribe = f"<pubsub xmlns='{PUBSUB}'><subscribe node='o' jid='other@localhost'/></pubsub>"
    answer = await other.iq("set", subscribe, "owner@localhost")
    found = answer.find(f".//{{{PUBSUB}}}subscription")
    assert found is not None
    assert found.attrib == {"node": "o", "jid": "other@localhost", "subscription": "subscribed"}
    answer = await owner.iq("get", f"<pubsub xmlns='{OWNER}'><subscriptions node='o'/></pubsub>")
    assert [e.get("jid") for e in answer.iter(f"{{{OWNER}}}subscription")] == ["other@localhost"]
    answer = await other.iq("get", f"<pubsub xmlns='{PUBSUB}'><subscriptions/></pubsub>", "owner@localhost")
    assert [e.get("node") for e in answer.iter(f"{{{PUBSUB}}}subscription")] == ["o"]
    await owner.result(
        "set",
        f"<pubsub xmlns='{OWNER}'><subscriptions node='o'>"
        "<subscription jid='other@localhost' subscription='none'/></subscriptions></pubsub>",
    )
    event = await other.take(lambda e: e.find(f".//{{{PUBSUB}#event}}subscription") is not None)
    assert event.get("from") == "owner@localhost"
    answer = await owner.iq("get", f"<pubsub xmlns='{OWNER}'><affiliations node='o'/></pubsub>")
    assert [e.attrib for e in answer.iter(f"{{{OWNER}}}affiliation")] == [
        {"jid": "owner@localhost", "affiliation": "owner"}
    ]
    answer = await owner.iq("get", f"<pubsub xmlns='{PUBSUB}'><affiliations/></pubsub>")
    assert {e.get("node") for e in answer.iter(f"{{{PUBSUB}}}affiliation")} == {"n", "o", "w"}
    answer = await owner.iq("get", f"<pubsub xmlns='{OWNER}'><default/></pubsub>")
    fields = {e.get("var"): e.findtext("{jabber:x:data}value") for e in answer.iter("{jabber:x:data}field")}
    assert fields["pubsub#access_model"] == "presence"
    assert fields["pubsub#send_last_published_item"] == "on_sub_and_presence"


async def test_a_transient_node_notifies_and_keeps_nothing(owner: RawClient) -> None:
    await owner.result("set", configure("n", option("pubsub#persist_items", "0")))
    answer = await owner.iq("set", publish("n", f"<item id='x'>{P}</item>"))
    assert answer.get("type") == "result"
    answer = await owner.iq("get", f"<pubsub xmlns='{PUBSUB}'><items node='n'/></pubsub>")
    assert refusal(answer) == ("cancel", "feature-not-implemented", "unsupported")
    await owner.result("set", configure("n", option("pubsub#deliver_payloads", "0")))
    answer = await owner.iq("set", publish("n", f"<item id='x'>{P}</item>"))
    assert refusal(answer) == ("modify", "bad-request", "item-forbidden")
    answer = await owner.iq("set", publish("n", ""))
    assert answer.get("type") == "result"
