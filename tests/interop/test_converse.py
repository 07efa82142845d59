"""Converse.js in a browser, over WebSocket: encrypted both ways with Profanity, and what else a person does.

Its keys have to be published before the profile is opened, which shows them, and complains if it can't.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
import segno

from tests import raw
from tests.conftest import RunningServer
from tests.interop.converse import PHONE, Converse, chromium, converse
from tests.interop.slix import befriend, online
from tests.interop.terminal import Profanity, profanity

_numbers = itertools.count(1)
_OMEMO = "{eu.siacs.conversations.axolotl}"
_PAYLOAD = f"{_OMEMO}encrypted/{_OMEMO}payload"

Person = Callable[[str], str]


@pytest.fixture
def person(server: RunningServer) -> Person:
    """Makes accounts that no other test knows."""
    return lambda name: server.add_user(f"{name}{next(_numbers)}")


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chromium for all tests; each has a browser of its own in it, as far as the page can know."""
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
async def browser(server: RunningServer, chrome: str, tmp_path: Path) -> AsyncIterator[Converse]:
    """A browser in which nobody has logged in; it must not have complained at the end."""
    async with converse(chrome, server.http_port) as browser:
        yield browser
        await browser.picture(tmp_path / "end.png")
        assert browser.complaints == []


@pytest.fixture
async def terminal(server: RunningServer, tmp_path: Path) -> AsyncIterator[Profanity]:
    async with profanity(tmp_path / "terminal") as terminal:
        yield terminal


@pytest.fixture
async def friends(server: RunningServer, person: Person) -> tuple[str, str]:
    """Two people who see each other's presence."""
    ada, ben = person("ada"), person("ben")
    async with online(ada, server.port) as one, online(ben, server.port) as other:
        await befriend(one, other)
    return ada, ben


def _kept(server: RunningServer, *texts: str) -> list[str]:
    """Which of the texts are in anything that the server keeps or has logged."""
    files = [file for file in server.data_dir.rglob("*") if file.is_file()]
    contents = [file.read_bytes() for file in (*files, server.log)]
    return [text for text in texts if any(text.encode() in content for content in contents)]


async def _archive(server: RunningServer, jid: str) -> list[Element]:
    """The messages of an archive that have a body, which OMEMO replaces with one that says nothing."""
    client = await raw.online(server.port, jid.partition("@")[0], presence=None)
    await client.result("set", "<query xmlns='urn:xmpp:mam:2'/>")
    client.abort()
    found = [stanza.find(f".//{raw.CLIENT}message") for stanza in client.inbox]
    return [message for message in found if message is not None and raw.body(message)]


async def test_the_browser_and_the_terminal_chat_encrypted_both_ways_also_after_a_time_away(
    server: RunningServer, person: Person, browser: Converse, terminal: Profanity, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    await terminal.log_in(ben, server.port)
    await terminal.make_keys()
    await browser.log_in(ada)
    assert 'mechanism="SCRAM-SHA-256"' in await browser.event("sent", "<auth ")

    await browser.add_contact(ben)
    await terminal.logs(r'RECV: <presence [^>]*type="subscribe"')
    terminal.type(f"/sub allow {ada}")
    terminal.type(f"/sub request {ada}")
    await browser.shows(f".open-chat[data-jid='{ben}'] .contact-name--online")

    await browser.chat_with(ben)
    await browser.encrypt()
    await browser.write("a secret from the browser")
    await terminal.notes("a secret from the browser")
    terminal.type(f"/omemo start {ada}")
    terminal.type("a secret from the terminal")
    await browser.reads("a secret from the terminal")
    await browser.picture(tmp_path / "desktop.png")
    await browser.picture(tmp_path / "phone.png", PHONE)

    await browser.log_out()
    # one: of several that it finds at once, Converse.js 14 has left one unread now and then
    terminal.type("a secret for later")
    await terminal.notes("a secret for later")
    await browser.log_in(ada)
    await browser.chat_with(ben)
    secrets = ["a secret from the browser", "a secret from the terminal", "a secret for later"]
    assert await browser.history(*secrets) == secrets
    await browser.write("a secret as before")
    await terminal.notes("a secret as before")
    secrets.append("a secret as before")
    assert await browser.on("converse-chat .chat-msg[data-encrypted=true]", "count") == len(secrets)
    assert "untrusted" not in terminal.chats

    # what is said in the clear is found, so that what is not found was encrypted
    terminal.type("/omemo end")
    terminal.type("this is in the clear")
    await browser.reads("this is in the clear")
    assert _kept(server, *secrets, "this is in the clear") == ["this is in the clear"]
    frames = [*browser.seen("sent"), *browser.seen("received")]
    assert not [frame for frame in frames if any(text in frame for text in secrets)]
    for jid in (ada, ben):
        encrypted = [bool(message.findtext(_PAYLOAD)) for message in await _archive(server, jid)]
        assert encrypted == [True] * len(secrets) + [False]


async def test_a_reloaded_page_resumes_its_session_with_nothing_lost_or_doubled(
    server: RunningServer, friends: tuple[str, str], browser: Converse
) -> None:
    ada, ben = friends
    async with online(ben, server.port) as other:
        await browser.log_in(ada)
        await browser.chat_with(ben)
        await browser.write("before")
        assert (await other.message())["body"] == "before"
        await browser.leave()
        for number in range(3):
            other.send_message(mto=ada, mbody=f"meanwhile {number}", mtype="chat")
        await other.ping()
        await browser.open()
        await browser.event("received", "<resumed ")
        said = ["before", "meanwhile 0", "meanwhile 1", "meanwhile 2"]
        assert await browser.history(*said) == said
        await browser.write("after")
        assert (await other.message())["body"] == "after"
        other.send_message(mto=ada, mbody="to the resumed", mtype="chat")
        said += ["after", "to the resumed"]
        assert await browser.history(*said) == said


async def test_another_browser_finds_the_history_in_the_archive(
    server: RunningServer, friends: tuple[str, str], browser: Converse, chrome: str
) -> None:
    ada, ben = friends
    text = 'less < more & "quotes" 👩‍💻'
    async with online(ben, server.port) as other:
        await browser.log_in(ada)
        await browser.chat_with(ben)
        await browser.write("from the first browser")
        await other.message()
        other.send_message(mto=ada, mbody=text, mtype="chat")
        await browser.reads("quotes")
        async with converse(chrome, server.http_port) as another:
            await another.log_in(ada)
            await another.chat_with(ben)
            assert await another.history("quotes") == ["from the first browser", text]
            await another.write("from the second browser")
            said = ["from the first browser", text, "from the second browser"]
            assert await browser.history("from the second browser") == said
            assert another.complaints == []


async def test_contacts_ask_for_each_other_and_come_and_go(
    server: RunningServer, person: Person, browser: Converse
) -> None:
    ada, ben = person("ada"), person("ben")
    contact = f".open-chat[data-jid='{ben}'] .contact-name"
    await browser.log_in(ada)
    async with online(ben, server.port) as other:
        await browser.add_contact(ben)
        await other.presence("subscribe", ada)
        other.send_presence_subscription(pto=ada, ptype="subscribed")
        await browser.shows(f"{contact}--online")
        other.send_presence_subscription(pto=ada, ptype="subscribe")
        await other.presence("subscribed", ada)
        other.send_presence(pshow="dnd")
        await browser.shows(f"{contact}--dnd")
        await browser.made_keys()
        await browser.on(".change-status", "click")
        await browser.on("#radio-away", "check")
        await browser.on("#set-xmpp-status [name=status_message]", "fill", "at lunch")
        await browser.on("#set-xmpp-status [type=submit]", "click")
        assert (await other.presence("away", ada))["status"] == "at lunch"
    await browser.shows(f"{contact}--offline")


def _picture(text: str) -> bytes:
    """A picture, as PNG."""
    file = io.BytesIO()
    segno.make(text).save(file, kind="png", scale=8)
    return file.getvalue()


async def test_faces_and_names_are_shown_and_set_in_the_browser(
    server: RunningServer, friends: tuple[str, str], browser: Converse, tmp_path: Path
) -> None:
    ada, ben = friends
    picture = _picture("ben")
    async with online(ben, server.port) as other:
        for plugin in ("xep_0054", "xep_0084"):
            other.register_plugin(plugin)
        avatar = other["xep_0084"]
        await avatar.publish_avatar(picture)
        info = {"id": hashlib.sha1(picture).hexdigest(), "type": "image/png", "bytes": str(len(picture))}
        await avatar.publish_avatar_metadata([info])
        await browser.log_in(ada)
        shown = f"data:image/png;base64,{b64encode(picture).decode()}"
        await browser.shows(f".open-chat[data-jid='{ben}'] image[href='{shown}']")

        own = tmp_path / "own.png"
        own.write_bytes(_picture("ada"))
        await browser.made_keys()
        await browser.on(".show-profile", "click")
        await browser.on("#vcard-fullname", "fill", "Ada Lovelace")
        await browser.on("converse-profile-modal [name=avatar_image]", "setInputFiles", str(own))
        await browser.on("converse-profile-modal .save-form", "click")
        await browser.shows(".show-profile image")
        card = (await other["xep_0054"].get_vcard(ada, cached=False))["vcard_temp"]
        assert card["FN"] == "Ada Lovelace"
        hash = hashlib.sha1(card["PHOTO"]["BINVAL"]).hexdigest()
        node = await avatar.retrieve_avatar(ada, hash)
        assert node["pubsub"]["items"]["item"]["avatar_data"]["value"] == card["PHOTO"]["BINVAL"]
        await browser.picture(tmp_path / "desktop.png")


async def test_a_password_that_is_changed_in_the_browser_replaces_the_old_one(
    server: RunningServer, person: Person, browser: Converse
) -> None:
    ada = person("ada")
    await browser.log_in(ada)
    await browser.made_keys()
    await browser.on(".show-profile", "click")
    await browser.on("#passwordreset-tab", "click")
    for field in ("new", "check"):
        await browser.on(f"#converse_password_reset_{field}", "fill", "a better one")
    await browser.on(".passwordreset-form [type=submit]", "click")
    await browser.shows("converse-alert-modal:has-text('Your new password has been set')")
    # the browser has kept keys of the old password, so it asks again
    await browser.open()
    await browser.fill_in(ada, "pw")
    await browser.event("received", "<not-authorized ")
    await browser.shows(".conn-feedback:has-text('incorrect')")
    await browser.fill_in(ada, "a better one")
    await browser.online()
