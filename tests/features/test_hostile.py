"""What a client that means harm can't do: make the server stumble, or reach what is somebody else's."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Iterator
from xml.etree.ElementTree import Element, tostring

import pytest

from kith.features import ALL
from kith.wire.errors import ERROR_TYPES
from tests.conftest import RunningServer, running
from tests.raw import CLIENT, RawClient, body, condition, online

PUBSUB = "http://jabber.org/protocol/pubsub"
DATA = "jabber:x:data"
#: What features may be sent inside of what they handle: too little, too much, the wrong thing.
INSIDES = (
    "",
    "text",
    "<x/>",
    "<item/>",
    "<item jid=''/>",
    "<item jid='@' node='%00' id=''/>",
    "<item jid='a@b/c/d' subscription='remove'/><item jid='a@b'/>",
    f"<x xmlns='{DATA}'/>",
    f"<x xmlns='{DATA}' type='submit'><field var='with'/><field><value>1</value></field></x>",
    f"<x xmlns='{DATA}' type='submit'><field var='start'><value>0001-01-01T00:00:00Z</value></field>"
    "<field var='end'><value>9999-12-31T23:59:59.999999Z</value></field></x>",
    f"<x xmlns='{DATA}' type='submit'><field var='after-id'><value>ffffffffffffffff</value></field></x>",
    f"<x xmlns='{DATA}' type='submit'><field var='ids'><value>-000000000000001</value></field></x>",
    f"<x xmlns='{DATA}' type='submit'><field var='with'><value>a@b@c</value></field></x>",
    "<set xmlns='http://jabber.org/protocol/rsm'><max>99999999999999999999</max><before/></set>",
    "<set xmlns='http://jabber.org/protocol/rsm'><max>-1</max></set>",
    "<set xmlns='http://jabber.org/protocol/rsm'><after>٣</after></set>",
    "<set xmlns='http://jabber.org/protocol/rsm'><index>1</index></set>",
    "<BINVAL>%%%</BINVAL><PHOTO><BINVAL>====</BINVAL></PHOTO>",
    "<username/><password/>",
    "<remove/><remove/>",
    "<always><jid>@</jid></always>",
)
#: Requests to nodes: each child, with what may be in it.
CHILDREN = (
    "publish",
    "retract",
    "items",
    "create",
    "subscribe",
    "unsubscribe",
    "subscriptions",
    "affiliations",
    "options",
    "default",
    "configure",
    "delete",
    "purge",
    "publish-options",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"operators": "boss@localhost", "strangers_per_hour": "0"}
    with running(tmp_path_factory.mktemp("kith") / "data", **settings) as it:
        for name in ("boss", "victim", "mallory"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


@pytest.fixture
async def two(server: RunningServer) -> AsyncIterator[tuple[RawClient, RawClient]]:
    """Who means harm, and who is to be harmed."""
    mallory, victim = await online(server.port, "mallory"), await online(server.port, "victim")
    yield mallory, victim
    mallory.abort()
    victim.abort()


def told(answer: Element, asked: str) -> str:
    """All that an answer says but for the id and the address that was asked."""
    said = copy.deepcopy(answer)
    said.attrib.pop("id", None)
    assert said.get("from") == asked, tostring(answer)
    said.set("from", "whom it was asked of")
    return tostring(said, "unicode")


def handled() -> list[tuple[str, str]]:
    """What features answer: type and Clark name."""
    found = set()
    for feature, name in [(kind, name) for kind in ALL for name in dir(kind)]:
        for type, child, _ in getattr(getattr(feature, name), "_iqs", ()):
            found.add((type, child))
    return sorted(found)


def requests() -> Iterator[tuple[str, str]]:
    """Type and child of requests that make little sense."""
    for (type, child), inside in itertools.product(handled(), INSIDES):
        namespace, _, name = child[1:].partition("}")
        if (name, inside) == ("query", "<remove/>"):
            continue
        yield type, f"<{name} xmlns='{namespace}'>{inside}</{name}>"
        yield (
            type,
            f"<{name} xmlns='{namespace}' node='' default='x' ver='-1' queryid='&apos;'>{inside}</{name}>",
        )
    for namespace, type, child in itertools.product((PUBSUB, f"{PUBSUB}#owner"), ("get", "set"), CHILDREN):
        for inside in ("", "<item/>", "<item id='a'/><item id='b'/>", f"<x xmlns='{DATA}' type='submit'/>"):
            for attrs in ("", "node=''", "node='urn:example' jid='@'", f"node='{'n' * 2000}'"):
                yield type, f"<pubsub xmlns='{namespace}'><{child} {attrs}>{inside}</{child}></pubsub>"


@pytest.mark.parametrize("to", ["", "localhost", "victim@localhost", "nobody@localhost", "pubsub.localhost"])
async def test_whatever_is_asked_is_answered_with_a_result_or_a_standard_error(
    server: RunningServer, two: tuple[RawClient, RawClient], to: str
) -> None:
    mallory, _ = two
    sent = {}
    for number, (type, child) in enumerate(requests()):
        address = f"to='{to}'" if to else ""
        mallory.send(f"<iq type='{type}' id='h{number}' {address}>{child}</iq>")
        sent[f"h{number}"] = child
        if number % 100 == 0:
            await mallory.ping()
    await mallory.ping()
    answers = {e.get("id", ""): e for e in mallory.inbox if e.tag == CLIENT + "iq"}
    assert set(sent) <= set(answers)
    for id, child in sent.items():
        if answers[id].get("type") == "error":
            name = condition(answers[id])
            assert name in ERROR_TYPES, child
            assert name != "internal-server-error", (child, tostring(answers[id]))
    assert "level=error" not in server.log.read_text()


OWN = (
    ("get", "<query xmlns='jabber:iq:roster'/>"),
    ("set", "<query xmlns='jabber:iq:roster'><item jid='mallory@localhost'/></query>"),
    ("get", "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>"),
    ("set", "<query xmlns='jabber:iq:private'><x xmlns='urn:x'>1</x></query>"),
    ("get", "<blocklist xmlns='urn:xmpp:blocking'/>"),
    ("set", "<block xmlns='urn:xmpp:blocking'><item jid='boss@localhost'/></block>"),
    ("set", "<unblock xmlns='urn:xmpp:blocking'/>"),
    ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
    ("get", "<query xmlns='urn:xmpp:mam:2'/>"),
    ("get", "<metadata xmlns='urn:xmpp:mam:2'/>"),
    ("get", "<prefs xmlns='urn:xmpp:mam:2'/>"),
    ("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>"),
    ("set", "<enable xmlns='urn:xmpp:carbons:2'/>"),
    ("get", "<query xmlns='jabber:iq:register'/>"),
    ("set", "<query xmlns='jabber:iq:register'><remove/></query>"),
    ("set", "<query xmlns='jabber:iq:register'><username>victim</username><password>x</password></query>"),
    ("set", "<vCard xmlns='vcard-temp'><FN>Mallory</FN></vCard>"),
    ("set", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>"),
)


@pytest.mark.parametrize(("type", "child"), OWN)
async def test_what_is_an_accounts_own_is_forbidden_to_others(
    two: tuple[RawClient, RawClient], type: str, child: str
) -> None:
    mallory, _ = two
    refused = await mallory.iq(type, child, "victim@localhost")
    absent = await mallory.iq(type, child, "nobody@localhost")
    assert told(refused, "victim@localhost") == told(absent, "nobody@localhost")
    assert condition(refused) in ("forbidden", "service-unavailable")


async def test_the_name_of_the_account_in_the_request_changes_nothing(
    two: tuple[RawClient, RawClient],
) -> None:
    mallory, _ = two
    child = "<query xmlns='jabber:iq:register'><username>victim</username><password>x</password></query>"
    for to in (None, "localhost", "mallory@localhost"):
        assert condition(await mallory.iq("set", child, to)) == "forbidden"


def _form(type: str, **fields: str) -> str:
    values = {"FORM_TYPE": f"{PUBSUB}#{type}"} | {f"pubsub#{var}": value for var, value in fields.items()}
    inner = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items())
    return f"<x xmlns='{DATA}' type='submit'>{inner}</x>"


NODE = "urn:example:notes"
MINE = (
    ("", f"<publish node='{NODE}'><item id='1'><x xmlns='urn:x'/></item></publish>"),
    ("", "<publish node='urn:example:new'><item id='1'><x xmlns='urn:x'/></item></publish>"),
    ("", f"<retract node='{NODE}'><item id='1'/></retract>"),
    ("", "<create node='urn:example:new'/>"),
    ("#owner", f"<delete node='{NODE}'/>"),
    ("#owner", f"<purge node='{NODE}'/>"),
    ("#owner", f"<configure node='{NODE}'>{_form('node_config', access_model='open')}</configure>"),
    (
        "#owner",
        f"<affiliations node='{NODE}'><affiliation jid='mallory@localhost' affiliation='owner'/>"
        "</affiliations>",
    ),
    (
        "#owner",
        f"<subscriptions node='{NODE}'><subscription jid='mallory@localhost' subscription='subscribed'/>"
        "</subscriptions>",
    ),
)


async def make_node(victim: RawClient) -> None:
    options = f"<publish-options>{_form('publish-options', access_model='whitelist')}</publish-options>"
    item = f"<publish node='{NODE}'><item id='1'><x xmlns='urn:x'>secret</x></item></publish>"
    answer = await victim.iq("set", f"<pubsub xmlns='{PUBSUB}'>{item}{options}</pubsub>")
    assert answer.get("type") == "result"


@pytest.mark.parametrize(("which", "child"), MINE)
async def test_nodes_are_changed_by_their_owners_only(
    two: tuple[RawClient, RawClient], which: str, child: str
) -> None:
    mallory, victim = two
    await make_node(victim)
    request = f"<pubsub xmlns='{PUBSUB}{which}'>{child}</pubsub>"
    assert condition(await mallory.iq("set", request, "victim@localhost")) == "service-unavailable"
    kept = await victim.iq("get", f"<pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub>")
    assert [e.text for e in kept.iter("{urn:x}x")] == ["secret"]


async def test_a_closed_node_is_read_in_no_way(two: tuple[RawClient, RawClient]) -> None:
    mallory, victim = two
    await make_node(victim)
    to = "victim@localhost"
    for child in (
        f"<items node='{NODE}'/>",
        f"<items node='{NODE}'><item id='1'/></items>",
    ):
        answer = await mallory.iq("get", f"<pubsub xmlns='{PUBSUB}'>{child}</pubsub>", to)
        assert condition(answer) == "item-not-found"
    subscribe = f"<pubsub xmlns='{PUBSUB}'><subscribe node='{NODE}' jid='mallory@localhost'/></pubsub>"
    assert condition(await mallory.iq("set", subscribe, to)) == "service-unavailable"
    for other in ("victim@localhost", "boss@localhost/x"):  # in somebody else's name
        spoof = subscribe.replace("mallory@localhost", other)
        assert condition(await mallory.iq("set", spoof, to)) == "service-unavailable"
    for what in ("affiliations", "subscriptions", "configure"):
        asked = f"<pubsub xmlns='{PUBSUB}#owner'><{what} node='{NODE}'/></pubsub>"
        refused = await mallory.iq("get", asked, to)
        absent = await mallory.iq("get", asked, "nobody@localhost")
        assert told(refused, to) == told(absent, "nobody@localhost")
        assert condition(refused) in ("item-not-found", "service-unavailable")
    asked = f"<query xmlns='http://jabber.org/protocol/disco#info' node='{NODE}'/>"
    assert condition(await mallory.iq("get", asked, to)) == "service-unavailable"


@pytest.mark.parametrize("node", ["", f" node='{NODE}'", " node='urn:example:none'"])
async def test_who_is_here_and_what_they_have_is_not_found_out_by_discovery(
    two: tuple[RawClient, RawClient], node: str
) -> None:
    """XEP-0030 §8: for somebody who is a stranger, and for nobody, the answers are the same."""
    mallory, victim = two
    await make_node(victim)
    answers = []
    for to in ("victim@localhost", "nobody@localhost"):
        info = await mallory.iq("get", f"<query xmlns='http://jabber.org/protocol/disco#info'{node}/>", to)
        assert condition(info) == "service-unavailable"
        items = await mallory.iq("get", f"<query xmlns='http://jabber.org/protocol/disco#items'{node}/>", to)
        assert (items.get("type"), len(items[0])) == ("result", 0)
        answers.append((told(info, to), told(items, to)))
    assert answers[0] == answers[1]


async def test_nobody_approves_subscriptions_to_the_nodes_of_others(
    two: tuple[RawClient, RawClient],
) -> None:
    mallory, victim = two
    options = f"<publish-options>{_form('publish-options', access_model='authorize')}</publish-options>"
    item = "<publish node='urn:example:asked'><item id='1'><x xmlns='urn:x'>secret</x></item></publish>"
    await victim.result("set", f"<pubsub xmlns='{PUBSUB}'>{item}{options}</pubsub>")
    ask = "<subscribe node='urn:example:asked' jid='mallory@localhost'/>"
    asked = await mallory.iq("set", f"<pubsub xmlns='{PUBSUB}'>{ask}</pubsub>", "victim@localhost")
    assert asked.get("type") == "result"
    await victim.message()  # the question
    answer = _form(
        "subscribe_authorization", node="urn:example:asked", subscriber_jid="mallory@localhost", allow="1"
    )
    mallory.send(f"<message to='victim@localhost'>{answer}</message>")
    await mallory.ping()
    read = f"<pubsub xmlns='{PUBSUB}'><items node='urn:example:asked'/></pubsub>"
    assert condition(await mallory.iq("get", read, "victim@localhost")) == "item-not-found"


async def test_who_floods_with_retractions_delays_no_one_elses(two: tuple[RawClient, RawClient]) -> None:
    mallory, victim = two
    for number in range(300):
        mallory.send(
            f"<message to='boss@localhost' type='chat' id='r{number}'>"
            f"<retract xmlns='urn:xmpp:message-retract:1' id='none{number}'/></message>"
        )
    await mallory.ping()
    victim.send("<message to='boss@localhost' type='chat' id='slip'><body>oh no</body></message>")
    victim.send(
        "<message to='boss@localhost' type='chat' id='undo'>"
        "<retract xmlns='urn:xmpp:message-retract:1' id='slip'/></message>"
    )
    for _ in range(200):
        await asyncio.sleep(0.05)
        victim.inbox.clear()
        await victim.result("set", "<query xmlns='urn:xmpp:mam:2'/>")
        texts = [body(m) for r in victim.inbox for m in r.iter(f"{CLIENT}message") if m is not r]
        if "oh no" not in texts:
            break
    assert "oh no" not in texts


async def test_presence_has_a_bound_for_it_is_kept_and_shown_to_everybody(
    two: tuple[RawClient, RawClient],
) -> None:
    mallory, _ = two
    mallory.send(f"<presence id='big'><status>{'x' * 100_000}</status></presence>")
    refused = await mallory.take(lambda e: e.get("id") == "big")
    assert condition(refused) == "policy-violation"
    mallory.send("<presence id='small'><status>fine</status></presence>")
    assert (await mallory.take(lambda e: e.get("id") == "small")).get("type") is None


async def test_who_is_no_contact_learns_nothing_of_who_is_online(two: tuple[RawClient, RawClient]) -> None:
    mallory, victim = two
    there, away = [
        await mallory.iq("get", child, to)
        for child in ("<query xmlns='jabber:iq:last'/>",)
        for to in ("victim@localhost", "boss@localhost")
    ]
    assert condition(there) == condition(away) == "service-unavailable"
    for to in ("victim@localhost/nothing", "boss@localhost/nothing", "nobody@localhost/nothing"):
        ping = await mallory.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to)
        assert (condition(ping), ping.get("from")) == ("service-unavailable", to)
    mallory.send("<presence type='probe' to='victim@localhost'/>")
    answer = await mallory.take(lambda e: e.get("from") == "victim@localhost")
    assert answer.get("type") == "unsubscribed"
    mallory.send(f"<presence type='probe' to='{victim.jid}'/>")
    answer = await mallory.take(lambda e: (e.get("from") or "").startswith("victim@localhost"))
    assert answer.get("type") == "unsubscribed"
