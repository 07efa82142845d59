"""Whatever disco announces works, and whatever works is announced (XEP-0030)."""

from __future__ import annotations

import asyncio
import base64
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from xml.etree.ElementTree import Element

import pytest

from kith.core.hooks.feature import Feature
from kith.features import ALL
from kith.wire import ns
from tests.conftest import RunningServer
from tests.features.test_inquiries import befriend
from tests.raw import CLIENT, RawClient, body, condition, online

INFO, ITEMS = ns.DISCO_INFO, ns.DISCO_ITEMS
PUBSUB, OWNER, EVENT = ns.PUBSUB, ns.PUBSUB_OWNER, ns.PUBSUB_EVENT
SERVICE = "pubsub.localhost"


class Scene(SimpleNamespace):
    """``own`` is the account that announces, ``friend`` sees its presence, ``stranger`` does not."""

    own: RawClient
    friend: RawClient
    stranger: RawClient

    async def get(self, child: str, to: str | None = None, who: RawClient | None = None) -> Element:
        return await done(who or self.own, "get", child, to)

    async def set(self, child: str, to: str | None = None, who: RawClient | None = None) -> Element:
        return await done(who or self.own, "set", child, to)


async def done(client: RawClient, type: str, child: str, to: str | None) -> Element:
    answer = await client.iq(type, child, to)
    assert answer.get("type") == "result", (child, to, condition(answer))
    return answer


async def refused(client: RawClient, type: str, child: str, to: str) -> None:
    assert (await client.iq(type, child, to)).get("type") == "error", child


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    for name in ("own", "friend", "stranger"):
        server.add_user(name)


@pytest.fixture
async def scene(server: RunningServer, accounts: None) -> AsyncIterator[Scene]:
    own, friend, stranger = [await online(server.port, name) for name in ("own", "friend", "stranger")]
    roster = await own.iq("get", "<query xmlns='jabber:iq:roster'/>")
    if not len(roster[0]):
        await befriend(own, friend)
    yield Scene(server=server, own=own, friend=friend, stranger=stranger)
    for client in (own, friend, stranger):
        client.abort()


async def announced(client: RawClient, to: str) -> set[str]:
    answer = await client.iq("get", f"<query xmlns='{INFO}'/>", to)
    return {element.get("var", "") for element in answer.iter(f"{{{INFO}}}feature")}


# -- what works without pubsub ---------------------------------------------------------------------------


async def _info(s: Scene) -> None:
    for to in ("localhost", s.own.bare):
        assert len((await s.get(f"<query xmlns='{INFO}'/>", to))[0])


async def _items(s: Scene) -> None:
    for to in ("localhost", s.own.bare):
        await s.get(f"<query xmlns='{ITEMS}'/>", to)


async def _paging(s: Scene) -> None:
    page = f"<set xmlns='{ns.RSM}'><max>1</max></set>"
    answer = await s.get(f"<query xmlns='{ITEMS}'>{page}</query>", "localhost")
    assert answer.findtext(f".//{{{ns.RSM}}}count")


async def _ping(s: Scene) -> None:
    for to in ("localhost", s.own.bare):
        await s.get(f"<ping xmlns='{ns.PING}'/>", to)


async def _push(s: Scene) -> None:
    """A client may disable what it has not enabled; there is no push service here to enable."""
    await s.set(f"<disable xmlns='{ns.PUSH}' jid='push.example'/>")
    await refused(s.own, "set", f"<enable xmlns='{ns.PUSH}' jid='push.example' node='n'/>", s.own.bare)


async def _services(s: Scene) -> None:
    assert (await s.own.result("get", f"<services xmlns='{ns.EXTERNAL_SERVICES}'/>", "localhost")) is not None


async def _time(s: Scene) -> None:
    assert (await s.get(f"<time xmlns='{ns.TIME}'/>", "localhost")).findtext(f".//{{{ns.TIME}}}utc")


async def _version(s: Scene) -> None:
    assert (await s.get(f"<query xmlns='{ns.VERSION}'/>", "localhost")).findtext(".//{*}name")


async def _last(s: Scene) -> None:
    for to, who in (("localhost", s.own), (s.own.bare, s.friend)):
        assert (await s.get(f"<query xmlns='{ns.LAST}'/>", to, who))[0].get("seconds") is not None


async def _roster(s: Scene) -> None:
    assert len((await s.get(f"<query xmlns='{ns.ROSTER}'/>"))[0])


async def _blocking(s: Scene) -> None:
    await s.set(f"<block xmlns='{ns.BLOCKING}'><item jid='x@localhost'/></block>")
    assert len((await s.get(f"<blocklist xmlns='{ns.BLOCKING}'/>"))[0]) == 1
    await s.set(f"<unblock xmlns='{ns.BLOCKING}'/>")


async def _reporting(s: Scene) -> None:
    report = f"<report xmlns='{ns.REPORTING}' reason='urn:xmpp:reporting:spam'/>"
    await s.set(f"<block xmlns='{ns.BLOCKING}'><item jid='y@localhost'>{report}</item></block>")
    await s.set(f"<unblock xmlns='{ns.BLOCKING}'/>")
    assert "y@localhost" in s.server.kith("reports").stdout


async def _private(s: Scene) -> None:
    await s.set(f"<query xmlns='{ns.PRIVATE}'><x xmlns='urn:x'><y/></x></query>")
    answer = await s.get(f"<query xmlns='{ns.PRIVATE}'><x xmlns='urn:x'/></query>")
    assert answer.find(".//{urn:x}y") is not None


async def _register(s: Scene) -> None:
    assert (await s.get(f"<query xmlns='{ns.REGISTER}'/>")).find(
        f".//{{{ns.REGISTER}}}registered"
    ) is not None


async def _caps(s: Scene) -> None:
    async with RawClient(s.server.port) as client:
        client.open()
        await client.tag("features")
        token = base64.b64encode(b"\0own\0pw").decode()
        client.send(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{token}</auth>")
        await client.tag("success")
        client.open()
        caps = (await client.tag("features")).find(f"{{{ns.CAPS}}}c")
    assert caps is not None
    node = f"{caps.get('node')}#{caps.get('ver')}"
    assert len((await s.get(f"<query xmlns='{INFO}' node='{node}'/>", "localhost"))[0])


async def _offline(s: Scene) -> None:
    s.server.add_user("away")
    s.own.send("<message to='away@localhost' type='chat'><body>later</body></message>")
    await s.own.ping()
    away = await online(s.server.port, "away")
    assert body(await away.message()) == "later"
    away.abort()


async def _card(s: Scene) -> None:
    await s.set(f"<vCard xmlns='{ns.VCARD}'><FN>Own</FN></vCard>")
    assert (await s.get(f"<vCard xmlns='{ns.VCARD}'/>", s.own.bare, s.friend)).findtext(".//{*}FN") == "Own"


async def _newer_card(s: Scene) -> None:
    await s.set(f"<vcard xmlns='{ns.VCARD4}'><fn><text>Own</text></fn></vcard>")
    answer = await s.get(f"<vcard xmlns='{ns.VCARD4}'/>", s.own.bare, s.friend)
    assert answer.findtext(".//{*}fn/{*}text") == "Own"


async def _card_conversion(s: Scene) -> None:
    photo = base64.b64encode(b"\x89PNG announced").decode()
    await s.set(f"<vCard xmlns='{ns.VCARD}'><PHOTO><BINVAL>{photo}</BINVAL></PHOTO></vCard>")
    answer = await s.get(_request("<items node='urn:xmpp:avatar:data'/>"), s.own.bare, s.stranger)
    assert answer.findtext(".//{urn:xmpp:avatar:data}data") == photo


async def _bookmarks(s: Scene) -> None:
    room = "<conference xmlns='storage:bookmarks'/>".replace("/>", " jid='r@x.y' name='Tea'/>")
    storage = f"<storage xmlns='storage:bookmarks'>{room}</storage>"
    await s.set(f"<query xmlns='{ns.PRIVATE}'>{storage}</query>")
    answer = await s.get(_request("<items node='urn:xmpp:bookmarks:1'/>"))
    assert [element.get("name") for element in answer.iter("{urn:xmpp:bookmarks:1}conference")] == ["Tea"]
    old = await s.get(_request("<items node='storage:bookmarks'/>"))
    assert old.find(".//{storage:bookmarks}conference") is not None


async def _hints(s: Scene) -> None:
    s.own.send(
        f"<message to='{s.friend.bare}' type='chat'><body>unkept</body>"
        f"<no-permanent-store xmlns='{ns.HINTS}'/></message>"
    )
    await s.friend.take(lambda e: body(e) == "unkept")
    await s.friend.result("set", f"<query xmlns='{ns.MAM}'/>")
    assert not [e for e in s.friend.inbox if "unkept" in "".join(e.itertext())]


async def _retraction(s: Scene) -> None:
    s.own.send(f"<message to='{s.friend.bare}' type='chat' id='r1'><body>regret</body></message>")
    s.own.send(
        f"<message to='{s.friend.bare}' type='chat' id='r2'><retract xmlns='{ns.RETRACT}' id='r1'/></message>"
    )
    await s.own.ping()
    for _ in range(500):
        s.own.inbox.clear()
        await s.own.result("set", f"<query xmlns='{ns.MAM}'/>")
        found = [e for e in s.own.inbox if e.find(f".//{{{ns.RETRACT}}}retracted") is not None]
        if found:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no tombstone")


async def _commands(s: Scene) -> None:
    answer = await s.get(f"<query xmlns='{ITEMS}' node='{ns.COMMANDS}'/>", "localhost")
    node = next(e.get("node") for e in answer.iter(f"{{{ITEMS}}}item"))
    started = await s.set(f"<command xmlns='{ns.COMMANDS}' node='{node}'/>", "localhost")
    assert started[0].get("status") in ("executing", "completed")


async def _archive(s: Scene) -> None:
    s.own.send(f"<message to='{s.friend.bare}' type='chat'><body>archived</body></message>")
    await s.own.ping()
    s.own.inbox.clear()
    page = f"<set xmlns='{ns.RSM}'><max>1</max><before/></set>"
    await s.set(f"<query xmlns='{ns.MAM}'><flip-page/>{page}</query>")
    result = next(e for e in s.own.inbox if e.find(f"{{{ns.MAM}}}result") is not None)
    assert "archived" in [text.text for text in result.iter(f"{CLIENT}body")]


async def _archive_extended(s: Scene) -> None:
    fields = await s.get(f"<query xmlns='{ns.MAM}'/>")
    assert {"ids", "before-id", "after-id"} <= {e.get("var") for e in fields.iter(f"{{{ns.DATA_FORM}}}field")}
    assert (await s.get(f"<metadata xmlns='{ns.MAM}'/>")).find(f".//{{{ns.MAM}}}start") is not None


async def _status(s: Scene) -> None:
    """A status that somebody posts for themselves, live and in the log of its own."""
    await s.set(f"<status xmlns='{ns.STATUS}'/>")
    s.own.send(
        f"<message to='status.localhost'><post xmlns='{ns.STATUS}'><to jid='{s.own.bare}'/></post>"
        f"<encrypted xmlns='{ns.OMEMO}'><header sid='1'/><payload>x</payload></encrypted>"
        f"<sealed xmlns='{ns.SEALED}' iv='x'/><origin-id xmlns='{ns.STANZA_ID}' id='announced'/></message>"
    )
    await s.own.take(lambda e: e.find(f"{{{ns.STATUS}}}status") is not None)
    answer = await s.set(f"<query xmlns='{ns.MAM}' node='{ns.STATUS}'/>")
    assert answer[0].get("complete") == "true"


async def _groupchat(s: Scene) -> None:
    """A group that somebody makes, and its message in the archive of its maker and live without entering."""
    group = "announced@groups.localhost"
    await s.set(f"<groupchat xmlns='{ns.GROUPS}'/>")
    s.own.send(f"<presence to='{group}/me'><x xmlns='{ns.MUC}'/></presence>")
    await s.own.result(
        "set", f"<query xmlns='{ns.MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>", group
    )
    s.own.send(f"<presence to='{group}/me' type='unavailable'/>")
    s.own.send(f"<message to='{group}' type='groupchat'><body>in a group</body></message>")
    await s.own.take(lambda e: body(e) == "in a group")
    s.own.inbox.clear()
    for wanted in ("true", "false"):
        form = (
            f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{ns.MAM}</value></field>"
            f"<field var='include-groupchat'><value>{wanted}</value></field></x>"
        )
        await s.set(
            f"<query xmlns='{ns.MAM}'>{form}<set xmlns='{ns.RSM}'><max>5</max><before/></set></query>"
        )
        texts = [text.text for e in s.own.inbox for text in e.iter(f"{CLIENT}body")]
        assert ("in a group" in texts) == (wanted == "true")
        s.own.inbox.clear()


async def _stanza_ids(s: Scene) -> None:
    s.friend.send(f"<message to='{s.own.bare}' type='chat'><body>ids</body></message>")
    given = (await s.own.take(lambda e: body(e) == "ids")).find(f"{{{ns.STANZA_ID}}}stanza-id")
    assert given is not None
    assert given.get("by") == s.own.bare


async def _carbons(s: Scene) -> None:
    other = await online(s.server.port, "own", "other")
    await done(other, "set", f"<enable xmlns='{ns.CARBONS}'/>", None)
    s.own.send(f"<message to='{s.friend.bare}' type='chat'><body>copy me</body></message>")
    await other.take(lambda e: e.find(f"{{{ns.CARBONS}}}sent") is not None)
    other.abort()


# -- pubsub -----------------------------------------------------------------------------------------------


def _request(child: str, namespace: str = PUBSUB, more: str = "") -> str:
    return f"<pubsub xmlns='{namespace}'>{child}{more}</pubsub>"


def _form(**fields: str) -> str:
    inner = "".join(f"<field var='pubsub#{k}'><value>{v}</value></field>" for k, v in fields.items())
    return f"<x xmlns='{ns.DATA_FORM}' type='submit'>{inner}</x>"


def _publish(node: str, id: str = "", options: str = "") -> str:
    named = f" id='{id}'" if id else ""
    item = f"<item{named}><p xmlns='urn:p'>{id}</p></item>"
    more = f"<publish-options>{options}</publish-options>" if options else ""
    return _request(f"<publish node='{node}'>{item}</publish>", more=more)


class Nodes:
    """The checks of a pubsub service, each with nodes of its own; ``to`` is its address."""

    def __init__(self, scene: Scene, to: str) -> None:
        self.s, self.to = scene, to
        self.personal = to != SERVICE

    async def made(self, name: str, **config: str) -> str:
        configure = f"<configure>{_form(**config)}</configure>" if config else ""
        await self.s.set(_request(f"<create node='{name}'/>", more=configure), self.to)
        return name

    async def config(self, node: str) -> dict[str, list[str]]:
        form = await self.s.get(_request(f"<configure node='{node}'/>", OWNER), self.to)
        fields = form.iter(f"{{{ns.DATA_FORM}}}field")
        return {
            e.get("var", ""): [v.text or "" for v in e.findall(f"{{{ns.DATA_FORM}}}value")] for e in fields
        }

    async def items(self, node: str, who: RawClient | None = None, more: str = "") -> list[str]:
        answer = await self.s.get(_request(f"<items node='{node}'/>", more=more), self.to, who)
        return [element.get("id", "") for element in answer.iter(f"{{{PUBSUB}}}item")]

    async def subscribed(self, node: str, who: RawClient) -> Element:
        return await self.s.set(_request(f"<subscribe node='{node}' jid='{who.bare}'/>"), self.to, who)

    async def affiliate(self, node: str, who: RawClient, standing: str) -> None:
        one = f"<affiliation jid='{who.bare}' affiliation='{standing}'/>"
        await self.s.set(_request(f"<affiliations node='{node}'>{one}</affiliations>", OWNER), self.to)

    # Each is named as its features are, with _ for -

    async def create_nodes(self) -> None:
        node = await self.made("plain")
        assert "pubsub#access_model" in await self.config(node)

    async def create_and_configure(self) -> None:
        node = await self.made("configured", access_model="whitelist", max_items="7")
        config = await self.config(node)
        assert (config["pubsub#access_model"], config["pubsub#max_items"]) == (["whitelist"], ["7"])

    async def config_node(self) -> None:
        node = await self.made("reconfigured")
        await self.s.set(_request(f"<configure node='{node}'>{_form(title='T')}</configure>", OWNER), self.to)
        assert (await self.config(node))["pubsub#title"] == ["T"]

    async def config_node_max(self) -> None:
        node = await self.made("most", max_items="max")
        assert (await self.config(node))["pubsub#max_items"] == ["1000"]

    async def retrieve_default(self) -> None:
        answer = await self.s.get(_request("<default/>", OWNER), self.to)
        assert answer.find(f".//{{{ns.DATA_FORM}}}field") is not None

    async def instant_nodes(self) -> None:
        answer = await self.s.set(_request("<create/>"), self.to)
        assert answer.find(f".//{{{PUBSUB}}}create").get("node")  # type: ignore[union-attr]

    async def publish(self) -> None:
        node = await self.made("published", max_items="5")
        await self.s.set(_publish(node, "a"), self.to)
        await self.s.set(_publish(node, "b"), self.to)
        answer = await self.s.set(_publish(node), self.to)
        given = answer.find(f".//{{{PUBSUB}}}item").get("id", "")  # type: ignore[union-attr]
        assert await self.items(node) == ["a", "b", given]
        assert given
        assert await self.items(node, more=f"<set xmlns='{ns.RSM}'><max>1</max></set>") == ["a"]

    persistent_items = retrieve_items = multi_items = item_ids = rsm = publish

    async def publish_options(self) -> None:
        node = await self.made("optional", access_model="open")
        await self.s.set(_publish(node, "a", _form(access_model="open")), self.to)
        await refused(self.s.own, "set", _publish(node, "b", _form(access_model="whitelist")), self.to)

    async def auto_create(self) -> None:
        await self.s.set(_publish("automatic", "a"), self.to)
        assert await self.items("automatic") == ["a"]

    async def retract_items(self) -> None:
        node = await self.made("retracted")
        await self.s.set(_publish(node, "a"), self.to)
        await self.s.set(_request(f"<retract node='{node}'><item id='a'/></retract>"), self.to)
        assert await self.items(node) == []

    delete_items = retract_items

    async def purge_nodes(self) -> None:
        node = await self.made("purged")
        await self.s.set(_publish(node, "a"), self.to)
        await self.s.set(_request(f"<purge node='{node}'/>", OWNER), self.to)
        assert await self.items(node) == []

    async def delete_nodes(self) -> None:
        node = await self.made("deleted")
        await self.s.set(_request(f"<delete node='{node}'/>", OWNER), self.to)
        await refused(self.s.own, "get", _request(f"<items node='{node}'/>"), self.to)

    owner = delete_nodes

    async def meta_data(self) -> None:
        node = await self.made("described", access_model="open", title="Described")
        answer = await self.s.get(f"<query xmlns='{INFO}' node='{node}'/>", self.to)
        values = [e.text for e in answer.iter(f"{{{ns.DATA_FORM}}}value")]
        assert f"{PUBSUB}#meta-data" in values
        assert "Described" in values

    async def subscribe(self) -> None:
        node = await self.made("subscribed", access_model="open", send_last_published_item="on_sub")
        await self.s.set(_publish(node, "last"), self.to)
        who = self.s.stranger
        await self.subscribed(node, who)
        event = await who.take(lambda e: e.find(f"{{{EVENT}}}event") is not None)
        assert event.find(f".//{{{EVENT}}}item").get("id") == "last"  # type: ignore[union-attr]
        own = await self.s.get(_request("<subscriptions/>"), self.to, who)
        assert node in {e.get("node") for e in own.iter(f"{{{PUBSUB}}}subscription")}
        managed = await self.s.get(_request(f"<subscriptions node='{node}'/>", OWNER), self.to)
        assert [e.get("jid") for e in managed.iter(f"{{{OWNER}}}subscription")] == [who.bare]
        await self.s.set(_publish(node, "next"), self.to)
        event = await who.take(lambda e: e.find(f"{{{EVENT}}}event") is not None)
        assert event.find(f".//{{{EVENT}}}item").get("id") == "next"  # type: ignore[union-attr]
        await self.s.set(_request(f"<unsubscribe node='{node}' jid='{who.bare}'/>"), self.to, who)

    last_published = retrieve_subscriptions = manage_subscriptions = subscribe

    async def modify_affiliations(self) -> None:
        who = self.s.stranger
        node = await self.made("members", access_model="whitelist")
        await refused(who, "get", _request(f"<items node='{node}'/>"), self.to)
        await self.affiliate(node, who, "member")
        assert await self.items(node, who) == []
        await refused(who, "set", _publish(node, "a"), self.to)
        await self.affiliate(node, who, "publisher")
        await self.s.set(_publish(node, "a"), self.to, who)
        own = await self.s.get(_request("<affiliations/>"), self.to, who)
        standings = {e.get("node"): e.get("affiliation") for e in own.iter(f"{{{PUBSUB}}}affiliation")}
        assert standings[node] == "publisher"
        opened = await self.made("outcasts", access_model="open")
        await self.affiliate(opened, who, "outcast")
        await refused(who, "get", _request(f"<items node='{opened}'/>"), self.to)

    member_affiliation = publisher_affiliation = outcast_affiliation = modify_affiliations
    retrieve_affiliations = access_whitelist = modify_affiliations

    async def access_open(self) -> None:
        node = await self.made("open", access_model="open")
        assert await self.items(node, self.s.stranger) == []

    async def access_authorize(self) -> None:
        node = await self.made("authorized", access_model="authorize")
        answer = await self.subscribed(node, self.s.stranger)
        assert answer.find(f".//{{{PUBSUB}}}subscription").get("subscription") == "pending"  # type: ignore[union-attr]

    async def access_presence(self) -> None:
        node = await self.made("presence", access_model="presence")
        assert await self.items(node, self.s.friend) == []
        await refused(self.s.stranger, "get", _request(f"<items node='{node}'/>"), self.to)

    async def access_roster(self) -> None:
        node = await self.made("roster", access_model="roster", roster_groups_allowed="Friends")
        await refused(self.s.friend, "get", _request(f"<items node='{node}'/>"), self.to)
        item = f"<item jid='{self.s.friend.bare}'><group>Friends</group></item>"
        await self.s.set(f"<query xmlns='{ns.ROSTER}'>{item}</query>")
        assert await self.items(node, self.s.friend) == []

    async def filtered_notifications(self) -> None:
        """The friend has said that it wants the events of one node, and gets these alone."""
        caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='announced'/>"
        self.s.friend.send(f"<presence>{caps}</presence>")
        asked = await self.s.friend.take(lambda e: e.find(f"{{{INFO}}}query") is not None)
        found = f"<identity category='client' type='pc'/><feature var='filtered{'+notify'}'/>"
        query = f"<query xmlns='{INFO}' node='urn:n#announced'>{found}</query>"
        sender = asked.get("from")
        self.s.friend.send(f"<iq type='result' id='{asked.get('id')}' to='{sender}'>{query}</iq>")
        await self.s.friend.ping()
        for node in ("unfiltered", "filtered"):
            await self.s.set(_publish(node, "a"), self.to)
        event = await self.s.friend.take(lambda e: e.find(f"{{{EVENT}}}event") is not None)
        assert event.find(f".//{{{EVENT}}}items").get("node") == "filtered"  # type: ignore[union-attr]

    auto_subscribe = presence_notifications = presence_subscribe = filtered_notifications


CHECKS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    INFO: _info,
    ITEMS: _items,
    ns.RSM: _paging,
    ns.PING: _ping,
    ns.TIME: _time,
    ns.VERSION: _version,
    ns.LAST: _last,
    ns.ROSTER: _roster,
    ns.BLOCKING: _blocking,
    ns.REPORTING: _reporting,
    ns.PRIVATE: _private,
    ns.REGISTER: _register,
    ns.CAPS: _caps,
    "msgoffline": _offline,
    ns.VCARD: _card,
    ns.VCARD4: _newer_card,
    "urn:xmpp:pep-vcard-conversion:0": _card_conversion,
    "urn:xmpp:bookmarks:1#compat": _bookmarks,
    "urn:xmpp:bookmarks:1#compat-pep": _bookmarks,
    ns.HINTS: _hints,
    ns.PUSH: _push,
    ns.EXTERNAL_SERVICES: _services,
    ns.RETRACT: _retraction,
    f"{ns.RETRACT}#tombstone": _retraction,
    ns.COMMANDS: _commands,
    ns.MAM: _archive,
    ns.MAM_EXTENDED: _archive_extended,
    f"{ns.MAM}#groupchat-field": _groupchat,
    ns.GROUPS: _groupchat,
    ns.STATUS: _status,
    ns.STANZA_ID: _stanza_ids,
    ns.CARBONS: _carbons,
    f"{ns.CARBONS}#rules": _carbons,
    PUBSUB: lambda scene: Nodes(scene, scene.own.bare).create_nodes(),
}


async def test_what_the_domain_and_accounts_announce_works(scene: Scene) -> None:
    """What the domain announces of pubsub is for those clients that look there: the accounts have it."""
    found = await announced(scene.own, "localhost") | await announced(scene.own, scene.own.bare)
    plain = {feature for feature in found if not feature.startswith(f"{PUBSUB}#")}
    assert plain == set(CHECKS), "each feature that is announced needs a check, and each check a feature"
    for feature in sorted(plain - {PUBSUB}):
        await CHECKS[feature](scene)


@pytest.mark.parametrize("personal", [True, False], ids=["accounts", "service"])
async def test_what_pubsub_announces_works(scene: Scene, personal: bool) -> None:
    to = scene.own.bare if personal else SERVICE
    nodes = Nodes(scene, to)
    names = [f.partition("#")[2] for f in await announced(scene.own, to) if f.startswith(f"{PUBSUB}#")]
    checks = {getattr(Nodes, name.replace("-", "_")) for name in names}
    assert len(names) > 25
    for check in sorted(checks, key=lambda check: str(check.__name__)):
        await check(nodes)


async def test_what_pubsub_does_is_announced(scene: Scene) -> None:
    for to, less in ((scene.own.bare, {"instant-nodes"}), (SERVICE, _PERSONAL)):
        works = {name.replace("_", "-") for name, value in vars(Nodes).items() if inspect.isfunction(value)}
        works -= {"--init--", "made", "config", "items", "subscribed", "affiliate"} | less
        found = {f.partition("#")[2] for f in await announced(scene.own, to) if f.startswith(f"{PUBSUB}#")}
        assert works == found


_PERSONAL = {
    *("access-presence", "access-roster", "auto-create", "auto-subscribe"),
    *("filtered-notifications", "presence-notifications", "presence-subscribe"),
}
#: RFC 3921's session, which does nothing, is a feature of streams.
_UNANNOUNCED = {ns.SESSION}


async def test_every_request_that_is_answered_is_announced(scene: Scene) -> None:
    answered = {
        child[1:].partition("}")[0]
        for feature in ALL
        for name in dir(feature)
        if (method := inspect.getattr_static(feature, name, None)) is not None
        for _, child, _ in getattr(method, "_iqs", ())
    }
    found = await announced(scene.own, "localhost") | await announced(scene.own, scene.own.bare)
    assert answered - found == _UNANNOUNCED
    assert issubclass(ALL[0], Feature)
