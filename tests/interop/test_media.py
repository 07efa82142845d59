"""Files between the SDK and other people's programs, both ways: encrypted as they do it, and without."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import ssl
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image
from slixmpp import JID
from slixmpp.plugins import register_plugin
from slixmpp.plugins.xep_0363 import http_upload
from slixmpp.plugins.xep_0454 import XEP_0454

from kith.client import Client, Media, MediaKind, Message
from tests.conftest import RunningServer, running
from tests.federation.world import Authority
from tests.interop.chatting import make_contacts
from tests.interop.converse import chromium, converse
from tests.interop.desktop import Desktop, world
from tests.interop.gajim import gajim
from tests.interop.omemo_client import Omemo
from tests.interop.slix import online
from tests.interop.terminal import profanity
from tests.interop.test_come_back import Public
from tests.interop.windows import Dino, window

pytestmark = pytest.mark.timeout(300)

Person = Callable[[str], str]
#: The colours of the picture's halves, which are looked for on screens.
LEFT, RIGHT = (200, 30, 60), (30, 120, 200)


def picture(folder: Path) -> Path:
    """A picture in two colours, as a camera would write it."""
    drawn = Image.new("RGB", (640, 480), LEFT)
    drawn.paste(RIGHT, (320, 0, 640, 480))
    drawn.save(folder / "garden.jpg", quality=95)
    return folder / "garden.jpg"


def is_picture(file: Path | io.BytesIO) -> bool:
    """Whether a file is the picture, with both colours where they belong."""
    with Image.open(file) as found:
        return found.size == (640, 480) and all(
            sum(abs(a - b) for a, b in zip(found.convert("RGB").getpixel(at), colour, strict=True)) < 20  # type: ignore[arg-type]
            for at, colour in (((100, 100), LEFT), ((500, 400), RIGHT))
        )


@asynccontextmanager
async def sdk(server: RunningServer, jid: str, folder: Path, **settings: Any) -> AsyncIterator[Client]:
    chosen: dict[str, Any] = {"host": server.address, "port": server.port, "auto_accept": True} | settings
    async with Client(jid, "pw", data=folder / "sdk", **chosen) as client:
        yield client


async def has_keys(client: Client, peer: str) -> None:
    async with asyncio.timeout(60):
        while not any(key.active for key in await client.fingerprints(peer)):
            await asyncio.sleep(0.2)


async def received(client: Client, file: bool = False) -> Message:
    """The first message that was not handled yet; with ``file``, the first that brings one."""
    async with asyncio.timeout(60):
        async for message in client.messages():
            if message.incoming and (message.media is not None or not file):
                return message
    raise AssertionError("the client was closed")


def media(message: Message) -> Media:
    assert message.media is not None, message
    return message.media


def fetched(url: str) -> bytes:
    """What is at an address of the media server."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(url, context=trusting, timeout=30) as answer:
        found: bytes = answer.read()
    return found


async def test_slixmpp_reads_and_sends_encrypted_pictures(
    server: RunningServer, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        http_upload,
        "ClientSession",
        lambda **more: aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False), **more),
    )
    ada, ben = person("ada"), person("ben")
    plugins = ("xep_0004", "xep_0380", "xep_0066", "xep_0363", "xep_0454")
    register_plugin(Omemo)
    async with online(ada, server.port, plugins=plugins) as other, sdk(server, ben, tmp_path) as client:
        other.register_plugin("xep_0384", {"kept": {}})
        omemo: Any = other["xep_0384"]
        await omemo.get_session_manager()
        await has_keys(client, ada)
        await client.send_file(ada, picture(tmp_path), caption="My garden")
        stanza = await other.message()
        text = str((await omemo.decrypt_message(stanza))[0]["body"])
        assert text.startswith("aesgcm://localhost:")
        url, _, fragment = text.partition("#")
        assert url.endswith(".jpg")
        content = await asyncio.to_thread(fetched, url.replace("aesgcm://", "https://"))
        assert is_picture(io.BytesIO(XEP_0454.decrypt(io.BytesIO(content), fragment)))
        stanza = await other.message()
        assert str((await omemo.decrypt_message(stanza))[0]["body"]) == "My garden"

        address = await other["xep_0454"].upload_file(picture(tmp_path), timeout=20)
        said = other.make_message(mto=ben, mtype="chat", mbody=address)
        encrypted, errors = await omemo.encrypt_message(said, {JID(ben)})
        assert not errors
        encrypted["to"], encrypted["type"] = ben, "chat"
        encrypted.send()
        got = await received(client)
        assert (got.encrypted, got.body, media(got).kind) == (True, "", MediaKind.PICTURE)
        saved = await media(got).save(tmp_path / "from-slixmpp.jpg")
        assert saved.read_bytes() == picture(tmp_path).read_bytes()


async def test_slixmpp_reads_and_sends_plain_files(
    server: RunningServer, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        http_upload,
        "ClientSession",
        lambda **more: aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False), **more),
    )
    ada, ben = person("ada"), person("ben")
    plugins = ("xep_0066", "xep_0363", "xep_0446", "xep_0447")
    async with online(ada, server.port, plugins=plugins) as other, sdk(server, ben, tmp_path) as client:
        await client.send_file(ada, picture(tmp_path), encrypted=False)
        stanza = await other.message()
        assert stanza["oob"]["url"] == stanza["body"]
        assert stanza["sfs"]["file"]["media-type"] == "image/jpeg"
        content = await asyncio.to_thread(fetched, str(stanza["body"]))
        assert is_picture(io.BytesIO(content))
        assert stanza["sfs"]["file"]["size"] == len(content)
        url = await other["xep_0363"].upload_file(picture(tmp_path), content_type="image/jpeg", timeout=20)
        said = other.make_message(mto=ben, mtype="chat", mbody=url)
        said["oob"]["url"] = url
        said.send()
        got = await received(client)
        assert (got.encrypted, media(got).encrypted, media(got).kind) == (False, False, MediaKind.PICTURE)
        assert is_picture(await media(got).save(tmp_path))


async def test_profanity_saves_and_sends_encrypted_pictures(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    async with profanity(tmp_path) as terminal, sdk(server, ben, tmp_path) as client:
        await terminal.log_in(ada, server.port)
        await terminal.make_keys()
        await terminal.encrypt(ben)
        terminal.type(f"/sendfile {picture(tmp_path)}")
        got = await received(client)
        assert (got.encrypted, got.body, media(got).kind) == (True, "", MediaKind.PICTURE)
        saved = await media(got).save(tmp_path / "from-profanity.jpg")
        assert saved.read_bytes() == picture(tmp_path).read_bytes()

        await client.send_file(ada, picture(tmp_path), caption="My garden")
        await terminal.notes(f"{ben}: My garden")
        addresses = re.findall(rf"{ben}: (aesgcm://\S+)", terminal.chats)
        assert len(addresses) == 1
        terminal.type(f"/url save {addresses[0]} {tmp_path / 'saved-by-profanity.jpg'}")
        await eventually(lambda: (tmp_path / "saved-by-profanity.jpg").exists())
        await eventually(partial(is_picture, tmp_path / "saved-by-profanity.jpg"))


async def eventually(true: Callable[[], object], timeout: float = 60) -> None:
    """Waits until a condition holds; a file that is still written may be no picture yet."""
    async with asyncio.timeout(timeout):
        while True:
            try:
                if true():
                    return
            except OSError:
                pass
            await asyncio.sleep(0.1)


async def test_a_script_with_go_sendxmpp_uploads_what_the_sdk_saves(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    cron, ben = person("cron"), person("ben")
    async with sdk(server, ben, tmp_path) as client:
        (tmp_path / "backup.log").write_text("all is well\n")
        certificate = tmp_path / "server.pem"
        certificate.write_text(ssl.get_server_certificate(("127.0.0.1", server.https_port)))
        process = await asyncio.create_subprocess_exec(
            *("go-sendxmpp", "-u", cron, "-p", "pw", "-n", "-j", f"127.0.0.1:{server.port}"),
            *("-h", str(tmp_path / "backup.log"), ben),
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "SSL_CERT_FILE": str(certificate)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, output
        got = await received(client)
        assert (media(got).encrypted, media(got).kind) == (False, MediaKind.FILE)
        saved = await media(got).save(tmp_path / "saved.log")
        assert hashlib.sha256(saved.read_bytes()).digest() == hashlib.sha256(b"all is well\n").digest()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def public(tmp_path: Path, authority: Authority) -> Iterator[Public]:
    """A server where windows look for it, with a certificate that they trust, also over HTTPS."""
    certificate, key = authority.certificate("kith.test", names="kith.test")
    with running(tmp_path / "data", Public, certificate=str(certificate), private_key=str(key)) as server:
        yield server


def pin_of(server: RunningServer) -> str:
    """The fingerprint of a server's certificate, whose authority only the windows know."""
    der = ssl.PEM_cert_to_DER_cert(Path(server.environ["KITH_CERTIFICATE"]).read_text())
    return hashlib.sha256(der).hexdigest()


async def shows_picture(screen: Desktop, name: str) -> None:
    """Waits until the screen shows much of both colours of the picture."""
    await colours_in(partial(screen.picture, name), screen.shots / f"{name}.png")


async def colours_in(look: Callable[[], Awaitable[object]], shot: Path) -> None:
    """Takes screenshots until one has much of both colours of the picture."""
    async with asyncio.timeout(60):
        while True:
            await look()
            with Image.open(shot) as found:
                small = found.convert("RGB").resize((110, 72))
            near = [
                sum(
                    max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) < 24
                    for pixel in pixels(small)
                )
                for colour in (LEFT, RIGHT)
            ]
            if min(near) > 40:
                return
            await asyncio.sleep(0.3)


def pixels(found: Image.Image) -> list[tuple[int, int, int]]:
    return list(found.getdata())  # type: ignore[arg-type]


async def test_dino_shows_and_sends_encrypted_pictures(
    public: Public, tmp_path: Path, authority: Authority
) -> None:
    account, ben = public.add_user("dino"), public.add_user("ben")
    await make_contacts(public, account, ben)
    overlay = world(tmp_path / "world", public.domain, public.address, authority.file)
    (tmp_path / "shots").mkdir()
    async with (
        sdk(public, ben, tmp_path, pin=pin_of(public)) as client,
        window(Dino, tmp_path / "shots", overlay, public.address, account, ben) as dino,
    ):
        await has_keys(client, account)
        await client.send_file(account, picture(tmp_path), caption="My garden")
        await shows_picture(dino.screen, "dino")
        await dino.say("A reply")
        assert (await received(client)).body == "A reply"
        async with asyncio.timeout(90):
            while not await encrypts(dino, client, account):
                pass
        dino.screen.lend(picture(tmp_path))
        await dino.attach(dino.screen.home / "garden.jpg")
        async with asyncio.timeout(60):
            while not any(one.incoming and one.media for one in client.history(account)):
                await dino.screen.press("Return")  # once the window is there; before, it does nothing
                await asyncio.sleep(0.5)
        got = await received(client, file=True)
        assert (got.encrypted, media(got).kind) == (True, MediaKind.PICTURE)
        assert is_picture(await media(got).save(tmp_path / "from-dino.jpg"))


async def encrypts(dino: Dino, client: Client, account: str) -> bool:
    """Chooses OMEMO, and looks whether that has worked: the menu may have been slower than the keys."""
    await dino.choose_omemo()
    before = len(client.history(account))
    await dino.say("A secret")
    await eventually(lambda: len(client.history(account)) > before)
    return client.history(account)[-1].encrypted


async def test_gajim_shows_and_sends_encrypted_pictures(
    public: Public, tmp_path: Path, authority: Authority
) -> None:
    account, ben = public.add_user("gajim"), public.add_user("ben")
    await make_contacts(public, account, ben)
    overlay = world(tmp_path / "world", public.domain, public.address, authority.file)
    (tmp_path / "shots").mkdir()
    async with (
        sdk(public, ben, tmp_path, pin=pin_of(public)) as client,
        gajim(tmp_path / "shots", overlay) as window,
    ):
        await window.set_up_trusting(account)
        await has_keys(client, account)
        await window.open(ben)
        await window.encrypt()
        await client.send_file(account, picture(tmp_path), caption="My garden")
        await window.reads("My garden")
        await shows_picture(window.screen, "gajim")
        await window.say("A reply")
        assert (await received(client)).body == "A reply"
        window.screen.lend(picture(tmp_path))
        await window.screen.click("push button", "^Send File .max")
        await window.screen.click("push button", "^Add Files")
        await window.screen.click("table cell", "^garden.jpg$", mouse="b1c")
        await window.screen.click("push button", "^Open$")
        await window.screen.gone("push button", "^Open$")
        await window.screen.click("push button", "^Send Files")
        got = await received(client, file=True)
        assert (got.encrypted, media(got).kind) == (True, MediaKind.PICTURE)
        assert is_picture(await media(got).save(tmp_path / "from-gajim.jpg"))


async def test_converse_js_shows_and_sends_encrypted_pictures(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    await make_contacts(server, ada, ben)
    (tmp_path / "profile").mkdir()
    with chromium(tmp_path / "profile") as chrome:
        async with converse(chrome, server.http_port) as browser, sdk(server, ben, tmp_path) as client:
            await browser.log_in(ada)
            await has_keys(client, ada)
            await browser.chat_with(ben)
            await browser.encrypt()
            await client.send_file(ada, picture(tmp_path), caption="My garden")
            await browser.reads("My garden")
            await colours_in(partial(browser.picture, tmp_path / "converse.png"), tmp_path / "converse.png")
            await browser.on("converse-chat input[type=file]", "setInputFiles", str(picture(tmp_path)))
            got = await received(client, file=True)
            assert (got.encrypted, media(got).kind) == (True, MediaKind.PICTURE)
            assert is_picture(await media(got).save(tmp_path / "from-converse.jpg"))
