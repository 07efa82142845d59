"""Waiting, contacts, trust policies, proxies, timeouts, and one tree of errors."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from typing import Any

import pytest

import kith.client
from kith.client import (
    Client,
    ClientError,
    InvalidAddress,
    InvalidSetting,
    NotOnline,
    NotOpen,
    NoTrustedDevices,
    NotSendable,
    NotSent,
    State,
    TimedOut,
    Trust,
    UnknownKey,
    policies,
)
from kith.client.testing import FakeServer
from tests.client.conftest import until


async def test_sending_can_wait_for_a_state_and_raises_if_it_is_not_reached() -> None:
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        ben = server.client("ben")
        async with ben:
            pass  # publishes its keys
        sent = await ada.client.send(ben.jid, "hello", wait=State.SENT)
        assert sent.state is State.SENT
        with pytest.raises(TimedOut) as late:
            await ada.client.send(ben.jid, "are you there?", wait=State.DELIVERED, timeout=0.1)
        assert isinstance(late.value, TimeoutError)
        with pytest.raises(NotSent) as failed:
            await ada.client.send("nobody@localhost", "?", encrypted=False, wait=State.READ, timeout=10)
        assert failed.value.message is not None
        assert failed.value.message.state is State.FAILED
        assert ada.client._events.listeners == 0


async def test_next_message_waits_for_one_person() -> None:
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        ben = await server.person("ben", "ada@localhost")
        carl = await server.person("carl", "ada@localhost")
        waiting = asyncio.create_task(ada.client.next_message(ben.jid, timeout=10))
        await asyncio.sleep(0)
        await carl.send("not me")
        await ben.send("me")
        assert (await waiting).body == "me"
        with pytest.raises(TimedOut):
            await ada.client.next_message(ben.jid, timeout=0.05)
        waiting = asyncio.create_task(ada.client.next_message(ben.jid, timeout=None))
        await asyncio.sleep(0)
        await ada.client.close()
        with pytest.raises(NotOnline):
            await waiting


async def test_trust_policies_decide_about_new_keys() -> None:
    decided: list[tuple[str, int]] = []

    def own(new: Any, others: Any) -> Trust:
        decided.append((new.peer, len(others)))
        return Trust.DISTRUSTED if new.peer == "ben@localhost" else Trust.BLIND

    async with FakeServer() as server:
        await server.person("ben", "ada@localhost")
        await server.person("carl", "ada@localhost")
        async with server.client("strict", trust_policy=policies.trust_verified_only) as strict:
            with pytest.raises(NoTrustedDevices):
                await strict.send("ben@localhost", "hello")
            (key,) = await strict.fingerprints("ben@localhost")
            assert key.trust is Trust.UNDECIDED
            await strict.verify("ben@localhost", key.pretty)
            await strict.send("ben@localhost", "hello")
            with pytest.raises(UnknownKey, match="no device with the fingerprint"):
                await strict.trust("ben@localhost", "0" * 64)
        async with server.client("free", trust_policy=policies.trust_all) as free:
            (key,) = await free.fingerprints("ben@localhost")
            await free.verify("ben@localhost", key.text)
            await server.person("ben", "ada@localhost", device="laptop")
            await until(lambda: len(server.account("ben").nodes) >= 3)
            free._encryption._fetched.clear()
            assert {one.trust for one in await free.fingerprints("ben@localhost")} == {
                Trust.VERIFIED,
                Trust.BLIND,
            }
        async with server.client("own", trust_policy=own) as client:
            with pytest.raises(NoTrustedDevices):
                await client.send("ben@localhost", "hello")
            await client.send("carl@localhost", "hello")
        assert ("carl@localhost", 0) in decided


class Socks:
    """A SOCKS 5 proxy on the loopback (RFC 1928), which knows every name as the loopback."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._target = port

    async def __aenter__(self) -> Socks:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\5\0")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            (size,) = await reader.readexactly(1)
            self.asked.append((await reader.readexactly(size)).decode())
        else:
            self.asked.append(".".join(map(str, await reader.readexactly(4))))
        await reader.readexactly(2)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"\5\0\0\1\0\0\0\0\0\0")

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
            target.close()

        await asyncio.gather(carry(reader, back), carry(there, writer))


async def test_a_client_connects_through_a_proxy_which_resolves_the_name() -> None:
    async with FakeServer() as server, Socks(server.port) as proxy:
        ben = await server.person("ben", "ada@localhost")
        settings = {"host": "chat.example", "proxy": f"socks5://127.0.0.1:{proxy.port}"}
        async with server.client("ada", **settings) as ada:
            await ada.send(ben.jid, "through the proxy")
            assert (await ben.receives()).body == "through the proxy"
        assert proxy.asked == ["chat.example"]
    for url in ("127.0.0.1:9050", "ftp://127.0.0.1:1", "socks5://", "socks5://host:notaport"):
        with pytest.raises(InvalidSetting):
            Client("ada@localhost", "secret", proxy=url)


async def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeServer() as server, server.client("ada", timeout=0.2) as ada:
        monkeypatch.setattr("kith.client.testing.requests.Requests.answer", lambda *_: None)
        async with asyncio.timeout(10):
            with pytest.raises(NotOnline, match="did not answer"):
                await ada.block("ben@localhost")


async def test_a_client_that_is_not_open_says_so(tmp_path: Any) -> None:
    async with FakeServer() as server:
        client = server.client("ada")
        with pytest.raises(NotOpen):
            await client.send("ben@localhost", "hello")
        with pytest.raises(NotOpen):
            client.chats()
        async with client:
            pass
        with pytest.raises(NotOpen):
            client.history("ben@localhost")
        with pytest.raises(AttributeError):
            _ = client.nothing  # type: ignore[attr-defined]


async def test_what_can_not_be_sent_is_an_error_of_the_tree_and_a_value_error() -> None:
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        for peer, body in (("ben@localhost", " "), (ada.jid, "to myself")):
            with pytest.raises(NotSendable) as error:
                await ada.client.send(peer, body)
            assert isinstance(error.value, ValueError)
        with pytest.raises(InvalidAddress):
            await ada.client.send("no address", "hello")
        with pytest.raises(InvalidSetting):
            await server.client("pinned", pin="zz", insecure=False).open()


def test_all_errors_of_the_sdk_are_client_errors_and_exported() -> None:
    from kith.client import errors

    found = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]
    assert len(found) > 20
    for error in found:
        assert issubclass(error, ClientError)
        assert getattr(kith.client, error.__name__) is error
