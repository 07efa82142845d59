"""The archive: XEP-0313 with its extended features, XEP-0059 paging, preferences and metadata."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import count
from xml.etree.ElementTree import Element

import pytest

from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, condition, online

MAM = "urn:xmpp:mam:2"
RSM = "{http://jabber.org/protocol/rsm}"
_numbers = count()


@pytest.fixture
async def filled(server: RunningServer) -> tuple[RawClient, RawClient, RawClient]:
    """Ada with ten messages from Ben (b0 to b9) and five from Cem (c0 to c4), in turn."""
    number = next(_numbers)
    clients = []
    for name in ("ada", "ben", "cem"):
        server.add_user(f"{name}{number}")
        clients.append(await online(server.port, f"{name}{number}", "r", None))
    ada, ben, cem = clients
    for index in range(10):
        ben.send(f"<message to='{ada.bare}' type='chat'><body>b{index}</body></message>")
        await ben.ping()
        await asyncio.sleep(0.002)
        if index % 2:
            cem.send(f"<message to='{ada.bare}' type='chat'><body>c{index // 2}</body></message>")
            await cem.ping()
            await asyncio.sleep(0.002)
    return ada, ben, cem


ALL = ["b0", "b1", "c0", "b2", "b3", "c1", "b4", "b5", "c2", "b6", "b7", "c3", "b8", "b9", "c4"]


class Answer:
    """Texts and ids of a page, and its ``<fin/>``."""

    def __init__(self, messages: list[Element], fin: Element) -> None:
        self.texts = [m.findtext(f".//{CLIENT}body") for m in messages]
        self.ids = [m.find(f"{{{MAM}}}result").get("id") for m in messages]
        self.complete = fin.get("complete") == "true"
        self.first = fin.findtext(f".//{RSM}first")
        self.last = fin.findtext(f".//{RSM}last")
        self.count = fin.findtext(f".//{RSM}count")
        self.stamps = [m.find(".//{urn:xmpp:delay}delay").get("stamp") for m in messages]


def form(**fields: str | list[str]) -> str:
    inside = f"<field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>"
    for name, value in fields.items():
        values = [value] if isinstance(value, str) else value
        texts = "".join(f"<value>{text}</value>" for text in values)
        inside += f"<field var='{name.replace('_', '-')}'>{texts}</field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{inside}</x>"


def paging(inside: str) -> str:
    return f"<set xmlns='http://jabber.org/protocol/rsm'>{inside}</set>"


async def raw_query(client: RawClient, inside: str = "") -> Element:
    return await client.iq("set", f"<query xmlns='{MAM}' queryid='q'>{inside}</query>")


async def query(client: RawClient, inside: str = "") -> Answer:
    answer = await raw_query(client, inside)
    assert answer.get("type") == "result", answer
    messages = [e for e in client.inbox if e.tag == CLIENT + "message"]
    for message in messages:
        client.inbox.remove(message)
        assert message.find(f"{{{MAM}}}result").get("queryid") == "q"
    return Answer(messages, answer[0])


async def test_the_archive_pages_forwards_and_backwards(
    filled: tuple[RawClient, RawClient, RawClient],
) -> None:
    ada, *_ = filled
    whole = await query(ada)
    assert (whole.texts, whole.complete) == (ALL, True)
    assert whole.ids == sorted(whole.ids)
    page = await query(ada, paging("<max>4</max>"))
    assert (page.texts, page.complete) == (ALL[:4], False)
    assert (page.first, page.last) == (page.ids[0], page.ids[-1])
    page = await query(ada, paging(f"<max>4</max><after>{page.last}</after>"))
    assert page.texts == ALL[4:8]
    page = await query(ada, paging("<max>4</max><before/>"))
    assert (page.texts, page.complete) == (ALL[-4:], False)
    page = await query(ada, paging(f"<max>4</max><before>{page.first}</before>"))
    assert page.texts == ALL[-8:-4]
    page = await query(ada, paging(f"<max>20</max><before>{page.first}</before>"))
    assert (page.texts, page.complete) == (ALL[:-8], True)
    assert (await query(ada, paging("<max>0</max>"))).count == "15"
    assert (await query(ada, paging(f"<max>{'9' * 5000}</max>"))).texts == ALL


async def test_what_was_sent_in_one_go_has_times_in_its_order(server: RunningServer) -> None:
    server.add_user("gil")
    gil = await online(server.port, "gil", "r", None)
    texts = [str(number) for number in range(40)]
    gil.send("".join(f"<message to='gil@localhost/r'><body>{text}</body></message>" for text in texts))
    await gil.ping()
    gil.inbox.clear()
    whole = await query(gil)
    assert whole.texts == texts
    assert whole.stamps == sorted(set(whole.stamps))
    for number in (0, 7, 39):
        assert (await query(gil, form(start=whole.stamps[number]))).texts == texts[number:]
        milliseconds = whole.stamps[number][:-4] + "Z"
        assert (await query(gil, form(start=milliseconds))).texts[-40 + number :] == texts[number:]
        assert (await query(gil, form(end=milliseconds))).texts[: number + 1] == texts[: number + 1]
    exact = next(number for number, stamp in enumerate(whole.stamps) if stamp[-4:-1] != "000")
    assert (await query(gil, form(end=whole.stamps[exact]))).texts == texts[: exact + 1]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999Z"])
async def test_far_times_are_bounds_as_others(
    filled: tuple[RawClient, RawClient, RawClient], moment: str
) -> None:
    ada, *_ = filled
    past = moment.startswith("0")
    assert (await query(ada, form(start=moment))).texts == (ALL if past else [])
    assert (await query(ada, form(end=moment))).texts == ([] if past else ALL)


async def test_filters_choose_by_peer_time_and_id(filled: tuple[RawClient, RawClient, RawClient]) -> None:
    ada, ben, cem = filled
    whole = await query(ada)
    assert (await query(ada, form(**{"with": cem.bare}))).texts == [f"c{n}" for n in range(5)]
    assert (await query(ada, form(**{"with": cem.jid}))).texts == [f"c{n}" for n in range(5)]
    assert (await query(ada, form(**{"with": f"{ben.bare}/nowhere"}))).texts == []
    assert (await query(ada, form(after_id=whole.ids[2], before_id=whole.ids[6]))).texts == ALL[3:6]
    assert (await query(ada, form(ids=[whole.ids[7], whole.ids[1]]))).texts == [ALL[1], ALL[7]]
    assert (await query(ada, form(start=whole.stamps[5]))).texts == ALL[5:]
    assert (await query(ada, form(end=whole.stamps[5]))).texts == ALL[:6]
    flipped = await query(ada, "<flip-page/>" + paging("<max>3</max>"))
    assert flipped.texts == ALL[2::-1]
    flipped = await query(ada, paging("<max>3</max><before/>") + "<flip-page/>")
    assert flipped.texts == ALL[:-4:-1]
    assert flipped.last == whole.ids[-1]  # the page is the same, whatever its order
    both = await query(ada, form(**{"with": ben.bare}) + paging("<max>2</max><before/>"))
    assert both.texts == ["b8", "b9"]
    assert (await query(ada, form(ids=[whole.ids[1], whole.ids[1]]))).texts == [ALL[1]]
    assert (await query(ada, form(start="0001-01-01T00:00:00Z", end="9999-12-31T23:59:59Z"))).texts == ALL
    assert (await query(ada, form(start="9999-12-31T23:59:59Z"))).texts == []
    ada.send(f"<message to='{ada.bare}' type='chat'><body>note</body></message>")
    await ada.ping()
    ada.inbox.clear()
    assert (await query(ada, form(**{"with": ada.bare}))).texts == ["note"]


async def test_an_archive_shows_both_sides_with_the_same_ids(
    filled: tuple[RawClient, RawClient, RawClient],
) -> None:
    ada, ben, _ = filled
    mine = await query(ada, form(**{"with": ben.bare}))
    theirs = await query(ben)
    assert mine.texts == theirs.texts
    assert mine.ids == theirs.ids


async def test_metadata_names_the_ends(filled: tuple[RawClient, RawClient, RawClient]) -> None:
    ada, *_ = filled
    whole = await query(ada)
    answer = await ada.iq("get", f"<metadata xmlns='{MAM}'/>")
    start, end = answer[0]
    assert (start.get("id"), end.get("id")) == (whole.ids[0], whole.ids[-1])
    age = datetime.now(UTC) - datetime.fromisoformat(end.get("timestamp"))
    assert -1 < age.total_seconds() < 60


async def test_the_form_names_the_extended_fields(filled: tuple[RawClient, RawClient, RawClient]) -> None:
    ada, *_ = filled
    answer = await ada.iq("get", f"<query xmlns='{MAM}'/>")
    names = {field.get("var") for field in answer.iter("{jabber:x:data}field")}
    assert names == {"FORM_TYPE", "with", "start", "end", "before-id", "after-id", "ids"} | {
        "include-groupchat"
    }
    (ids,) = [field for field in answer.iter("{jabber:x:data}field") if field.get("var") == "ids"]
    validation = "{http://jabber.org/protocol/xdata-validate}"
    assert ids.find(f"{validation}validate/{validation}open") is not None
    assert answer.find(".//{jabber:x:data}required") is None
    info = await ada.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", ada.bare)
    features = {e.get("var") for e in info.iter("{http://jabber.org/protocol/disco#info}feature")}
    assert {MAM, f"{MAM}#extended"} <= features


@pytest.mark.parametrize(
    ("inside", "error"),
    [
        (form(nonsense="1"), "feature-not-implemented"),
        (form(start="yesterday"), "bad-request"),
        (form(**{"with": "a@b@c"}), "bad-request"),
        (form(after_id="0123456789abcdef"), "item-not-found"),
        (form(ids=["0123456789abcdef"]), "item-not-found"),
        (paging("<after>gone</after>"), "item-not-found"),
        (paging("<max>many</max>"), "bad-request"),
        (paging("<max>²</max>"), "bad-request"),
        (paging("<max>5</max><index>3</index>"), "feature-not-implemented"),
    ],
)
async def test_a_wrong_query_gets_the_standards_error(
    filled: tuple[RawClient, RawClient, RawClient], inside: str, error: str
) -> None:
    assert condition(await raw_query(filled[0], inside)) == error


async def test_an_archive_is_its_owners(filled: tuple[RawClient, RawClient, RawClient]) -> None:
    ada, ben, _ = filled
    answer = await ben.iq("set", f"<query xmlns='{MAM}'/>", ada.bare)
    assert condition(answer) == "forbidden"


async def test_preferences_keep_a_peer_out_of_the_archive_but_not_out_of_reach(
    filled: tuple[RawClient, RawClient, RawClient],
) -> None:
    ada, ben, _ = filled
    prefs = f"<prefs xmlns='{MAM}' default='always'><always/><never><jid>{ben.bare}</jid></never></prefs>"
    answer = await ada.iq("set", prefs)
    assert [e.text for e in answer[0].iter(f"{{{MAM}}}jid")] == [ben.bare]
    ben.send(f"<message to='{ada.bare}' type='chat'><body>off the record</body></message>")
    await ben.ping()
    assert (await query(ada)).texts == ALL
    assert (await query(ben)).texts[-1] == "off the record"
    # all of the archive was read, so only what it does not hold is still to be delivered
    await ada.available()
    assert (await ada.message()).findtext(f"{CLIENT}body") == "off the record"
    await ada.expect_nothing()
    bad = await ada.iq("set", f"<prefs xmlns='{MAM}' default='sometimes'/>")
    assert condition(bad) == "bad-request"


async def test_old_messages_go_when_retention_says_so(server: RunningServer) -> None:
    """The rule itself is tested with the store; here: nothing is lost without the setting."""
    server.add_user("keeper")
    keeper = await online(server.port, "keeper", "r", None)
    keeper.send("<message to='keeper@localhost'><body>to myself</body></message>")
    await keeper.ping()
    await asyncio.sleep(1.1)
    assert (await query(keeper)).texts == ["to myself"]
