"""Other people's clients write both ways, and come back by themselves after the server was killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import RunningServer, running
from tests.federation.world import Authority
from tests.interop.chatting import LONG, Chatting, make_contacts, write_both_ways
from tests.interop.consoles import Mcabber, Poezio, home_of_nobody, lines
from tests.interop.desktop import world
from tests.interop.slix import online
from tests.interop.windows import Dino, Kaidan, Psi, Window, window

pytestmark = pytest.mark.timeout(300)


class Public(RunningServer):
    """A server at the port where clients look for it, at an address of its own."""

    domain = "kith.test"
    address = f"127.66.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"

    def __init__(self, data_dir: Path, **settings: str) -> None:
        super().__init__(data_dir, domain=self.domain, **settings)
        self.port = 5222
        self.environ["KITH_XMPP_PORT"] = "5222"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def terminal(client: Mcabber | Poezio) -> AsyncIterator[Mcabber | Poezio]:
    try:
        yield client
    finally:
        await client.end()


async def _write_restart_write(
    server: RunningServer,
    clients: dict[str, Chatting],
    accounts: dict[str, tuple[str, str]],
    end: Callable[[], object],
) -> None:
    """Each writes and reads, the server ends in this way and starts, and each writes and reads."""

    async def talk(name: str, word: str, *before: str) -> None:
        account, peer = accounts[name]
        async with online(peer, server.port, host=server.address) as other:
            await write_both_ways(clients[name], account, other, word, before)

    async def all_talk(word: str, *before: str) -> None:
        done = await asyncio.gather(*(talk(name, word, *before) for name in clients), return_exceptions=True)
        failed = {name: error for name, error in zip(clients, done, strict=True) if error is not None}
        assert not failed, failed

    await all_talk("before")
    end()
    server.start()
    for client in clients.values():
        if isinstance(client, Mcabber):
            await client.command("connect")  # by itself it waits for 80 seconds
    await all_talk("after", "before to you")


def _accounts(server: RunningServer, names: list[str]) -> dict[str, tuple[str, str]]:
    return {name: (server.add_user(name), server.add_user(f"friend-of-{name}")) for name in names}


@pytest.fixture
def strict(tmp_path: Path, authority: Authority) -> Iterator[RunningServer]:
    """A server whose certificate clients can check."""
    certificate, key = authority.certificate("localhost", names="localhost")
    with running(tmp_path / "data", certificate=str(certificate), private_key=str(key)) as server:
        yield server


async def test_clients_in_terminals_and_libraries_come_back(
    strict: RunningServer, tmp_path: Path, authority: Authority
) -> None:
    """aioxmpp in the long form: on a busy machine it was once not back within a minute."""
    libraries = ("mellium", "aioxmpp") if LONG else ("mellium",)
    accounts = _accounts(strict, ["mcabber", "poezio", *libraries])
    async with AsyncExitStack() as stack:
        clients: dict[str, Chatting] = {}
        for name in libraries:
            account, peer = accounts[name]
            log = tmp_path / f"{name}.log"
            clients[name] = await stack.enter_async_context(
                lines(name, log, account, strict.port, authority.file, peer)
            )
        account, peer = accounts["mcabber"]
        home = stack.enter_context(home_of_nobody())
        clients["mcabber"] = await stack.enter_async_context(
            terminal(Mcabber(home, account, strict.port, peer))
        )
        account, peer = accounts["poezio"]
        home = stack.enter_context(home_of_nobody())
        clients["poezio"] = await stack.enter_async_context(
            terminal(Poezio(home, account, strict.port, peer, authority.file))
        )
        await _write_restart_write(strict, clients, accounts, strict.kill)


async def test_tokio_xmpp_resumes_its_session_after_a_restart(
    strict: RunningServer, tmp_path: Path, authority: Authority
) -> None:
    """Not after a kill: for 6.0.0, ``<failed/>`` has to have an ``h``, which no server knows then."""
    account, peer = strict.add_user("tokio"), strict.add_user("ben")
    async with lines("tokio-xmpp", tmp_path / "log", account, strict.port, authority.file, peer) as client:
        async with online(peer, strict.port) as other:
            await write_both_ways(client, account, other, "before")
        strict.stop()
        strict.start()
        async with online(peer, strict.port) as other:
            await write_both_ways(client, account, other, "after", ("before to you",))
        assert [line.partition(" ")[0] for line in client.printed if account in line] == ["online", "resumed"]


@pytest.fixture
def public(tmp_path: Path, authority: Authority) -> Iterator[Public]:
    certificate, key = authority.certificate("kith.test", names="kith.test")
    with running(tmp_path / "data", Public, certificate=str(certificate), private_key=str(key)) as server:
        yield server


async def _windows_write_restart_write(
    public: Public,
    folder: Path,
    authority: Authority,
    kinds: dict[str, type[Window]],
    end: Callable[[], object],
) -> None:
    accounts = _accounts(public, list(kinds))
    overlay = world(folder / "world", public.domain, public.address, authority.file)
    for pair in accounts.values():
        await make_contacts(public, *pair)
    async with AsyncExitStack() as stack:

        async def show(name: str, kind: type[Window]) -> Window:
            (folder / name).mkdir()
            return await stack.enter_async_context(
                window(kind, folder / name, overlay, public.address, *accounts[name])
            )

        windows = await asyncio.gather(*(show(name, kind) for name, kind in kinds.items()))
        await _write_restart_write(public, dict(zip(kinds, windows, strict=True)), accounts, end)


async def test_clients_in_windows_come_back(public: Public, tmp_path: Path, authority: Authority) -> None:
    """In the long form, Dino, which notices the end of its connection after 60 to 100 seconds, and Psi+.

    Psi+ can only be read through what it shows, which does not always work.
    """
    kinds: dict[str, type[Window]] = {"kaidan": Kaidan}
    if LONG:
        kinds |= {"psi": Psi, "dino": Dino}
    await _windows_write_restart_write(public, tmp_path, authority, kinds, public.kill)


async def test_dino_comes_back_after_a_restart(public: Public, tmp_path: Path, authority: Authority) -> None:
    await _windows_write_restart_write(public, tmp_path, authority, {"dino": Dino}, public.stop)
