"""What a peer puts into a message moves neither the clock nor our place in the archive, and hides nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, fromstring

import pytest

from kith.client import Client, State
from tests.client.conftest import People, receive, until

CLIENT = "jabber:client"


def handed(client: Client, xml: str) -> None:
    """As if the server had sent it."""
    client._incoming._queue.put_nowait(fromstring(xml))


def message(sender: str, body: str, *extra: str, id: str = "1") -> str:
    return (
        f"<message xmlns='{CLIENT}' from='{sender}/x' type='chat' id='{id}'>"
        f"<body>{body}</body>{''.join(extra)}</message>"
    )


def delay(when: datetime, by: str = "") -> str:
    by = f" from='{by}'" if by else ""
    return f"<delay xmlns='urn:xmpp:delay'{by} stamp='{when:%Y-%m-%dT%H:%M:%SZ}'/>"


def origin(id: str) -> str:
    return f"<origin-id xmlns='urn:xmpp:sid:0' id='{id}'/>"


def archived(id: str, by: str) -> str:
    return f"<stanza-id xmlns='urn:xmpp:sid:0' id='{id}' by='{by}'/>"


async def test_a_message_with_a_far_delay_is_dated_by_its_arrival(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), "ben@localhost"
    far, long_ago = datetime(2099, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)
    stamps = [delay(far), delay(far, "localhost"), delay(far, ada.jid), delay(long_ago), delay(long_ago, ben)]
    stamps.append(delay(long_ago, "localhost"))  # before what the archive has told to be read
    ada._db.set("read-until", str((datetime.now(UTC) - timedelta(minutes=1)).timestamp()))
    for number, stamp in enumerate(stamps):
        handed(ada, message(ben, str(number), stamp))
    handed(ada, message(ben, "last"))
    await until(lambda: len(ada.history(ben)) == len(stamps) + 1)
    now = datetime.now(UTC)
    shown = ada.history(ben)
    assert all(now - timedelta(minutes=2) < one.time <= now for one in shown)
    assert shown[-1].body == "last"
    assert ada.chats()[0].last == shown[-1]


async def test_forged_archive_ids_move_no_place_and_hide_no_message(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada_jid = people.account("ada")
    async with people.device(ada_jid) as ada:
        await ben.send(ada_jid, "one")
        await receive(ada)
        for id in ("f" * 16, "7" + "f" * 15, "x" * 5000, "", "no id at all"):
            handed(ada, message(ben.jid, f"forged {id[:4]}", archived(id, ada_jid), id=f"m{id[:4]}"))
        typing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        handed(
            ada,
            f"<message xmlns='{CLIENT}' from='{ben.jid}/x' type='chat'>{typing}"
            f"{archived('7' + 'f' * 15, ada_jid)}</message>",
        )
        await until(lambda: len(ada.history(ben.jid)) == 6)
    for number in range(3):
        await ben.send(ada_jid, f"away {number}")
    async with people.device(ada_jid) as ada:
        await ada.caught_up()
        bodies = [one.body for one in ada.history(ben.jid)]
        assert [body for body in bodies if body.startswith("away")] == ["away 0", "away 1", "away 2"]
        assert bodies.count("one") == 1


async def test_a_place_that_was_forged_before_heals(people: People) -> None:
    """Older versions took their place from live messages."""
    ben = await people.open(people.account("ben"))
    ada_jid = people.account("ada")
    async with people.device(ada_jid) as ada:
        await ben.send(ada_jid, "one")
        await receive(ada)
    for number, forged in enumerate(("7" + "f" * 15, "not an id of this archive")):
        await ben.send(ada_jid, f"missed {number}")
        device = people.device(ada_jid)
        await device.open()
        await device.close()
        _forge(people, ada_jid, forged)
        async with people.device(ada_jid) as ada:
            await ada.caught_up()
            assert [one.body for one in ada.history(ben.jid)].count(f"missed {number}") == 1
            assert [one.body for one in ada.history(ben.jid)].count("one") == 1


def _forge(people: People, jid: str, place: str) -> None:
    from kith.client.database import Database

    db = Database(people.folder / f"{jid}-phone")
    db.set("archive", place)
    db.set("place", place)
    db.close()


async def test_what_cannot_be_handled_costs_no_message_after_it(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), "ben@localhost"
    odd = "<message xmlns='jabber:client' from='{}' type='chat'><body>odd</body></message>"
    for sender in (
        "a b@localhost",
        "@",
        "\u06dd@localhost",
        "x" * 3000 + "@localhost",
        "constructor@localhost",
    ):
        handed(ada, odd.format(sender))
    handed(ada, message(ben, "x", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"))
    handed(
        ada, message(ben, "x", "<received xmlns='urn:xmpp:carbons:2'/>", "<result xmlns='urn:xmpp:mam:2'/>")
    )
    handed(ada, message(ben, "y", delay(datetime.now(UTC)).replace("stamp='2", "stamp='-"), id="z" * 5000))
    handed(ada, message(ben, "from a phone").replace("/x'", "/\N{MOBILE PHONE}'"))
    handed(ada, message(ben, "last"))
    await until(lambda: ada.history(ben) and ada.history(ben)[-1].body == "last")
    assert "from a phone" in [one.body for one in ada.history(ben)]
    assert ada.is_open
    assert ada._error is None


async def test_two_messages_with_the_same_id_and_other_words_are_two(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), "ben@localhost"
    for body in ("one", "two", "one"):
        handed(ada, message(ben, body, origin("1")))
    await until(lambda: len(ada.history(ben)) == 2)
    await asyncio.sleep(0.1)
    assert [one.body for one in ada.history(ben)] == ["one", "two"]


@pytest.mark.parametrize("accepting", [False, True])
async def test_a_stranger_learns_nothing_before_they_were_accepted(people: People, accepting: bool) -> None:
    ben = await people.open(people.account("ben"))
    ada = await people.open(people.account("ada"), auto_accept=False)
    said: list[str] = []
    write = ada._stream.send_raw
    ada._stream.send_raw = lambda data: (said.append(str(data)), write(data))  # type: ignore[assignment]
    sent = await ben.send(ada.jid, "hello")
    (got,) = await receive(ada)
    await ada.mark_read(ben.jid)
    await ada.typing(ben.jid)
    await asyncio.sleep(0.3)
    # its server is asked for the keys that belong to the message; the device itself hears nothing
    assert not [text for text in said if f'to="{ben.jid}"' in text and not text.startswith("<iq")]
    assert ben.history(ada.jid)[-1].state is State.SENT
    assert not ada.chat(ben.jid).accepted
    if accepting:
        await ada.accept(ben.jid)
    else:
        await ada.send(ben.jid, "who are you?")
    await ben.wait_for(sent, State.READ)
    assert ada.chat(ben.jid).accepted
    assert got.body == "hello"


async def test_who_writes_first_shows_the_name_they_chose_from_the_first_message(people: People) -> None:
    ada = await people.open(people.account("ada"), auto_accept=False)
    ben = await people.open(people.account("ben"))
    await ben.set_profile(people_profile("Ben"))
    await ben.send(ada.jid, "hello", encrypted=False)
    await receive(ada)
    chat = ada.chat(ben.jid)
    assert (chat.name, chat.nickname) == ("", "Ben")
    assert chat.title == f"~Ben ({ben.jid})"


async def test_a_name_can_pass_for_nobody_else(people: People) -> None:
    ada = await people.open(people.account("ada"), auto_accept=False)
    ada.name("mother@localhost", "Mother")
    nick = "<nick xmlns='http://jabber.org/protocol/nick'>{}</nick>"
    for number, name in enumerate(
        ("Mother", "Kith", "\u202erehtoM", "Mo\u200bther", "x" * 5000, "  \u2028 ")
    ):
        handed(ada, message(f"thief{number}@localhost", "hello", nick.format(name)))
        await until(lambda number=number: ada.history(f"thief{number}@localhost"))  # type: ignore[misc]
        title = ada.chat(f"thief{number}@localhost").title
        assert title.startswith("~") or title == f"thief{number}@localhost"
        assert f"thief{number}@localhost" in title
        assert len(title) < 100
        assert "\u202e" not in title
        assert "\u200b" not in title
    assert ada.chat("mother@localhost").title == "Mother"


def people_profile(name: str):  # type: ignore[no-untyped-def]
    from kith.client import Profile

    return Profile(name, "", b"")


def test_an_element_has_the_same_digest_however_it_came() -> None:
    from kith.client.stanzas import digest

    def children(xml: str) -> list[Element]:
        return list(fromstring(f"<m xmlns='{CLIENT}'>{xml}</m>"))

    assert digest(children("<body>a</body>")) == digest(children("<body xmlns:x='y'>a</body> <other/>"))
    assert digest(children("<body>a</body>")) != digest(children("<body>b</body>"))
