"""Getting in, and not getting in."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.client import AccountInUse, CertificateChanged, Client, LoginFailed, ServerUnreachable
from tests.client.conftest import People
from tests.conftest import free_ports


async def test_a_wrong_password_says_so(people: People, tmp_path: Path) -> None:
    jid = people.account("ada")
    with pytest.raises(LoginFailed, match="does not accept this address and password"):
        async with Client(jid, "wrong", data=tmp_path / "x", host="127.0.0.1", port=people.server.port):
            pass


async def test_a_server_out_of_reach_says_so(people: People) -> None:
    (port,) = free_ports(1)
    with pytest.raises(ServerUnreachable, match=f"127.0.0.1:{port}"):
        async with people.device(people.account("ada"), port=port):
            pass


async def test_an_account_is_open_in_one_program_at_a_time(people: People) -> None:
    jid = people.account("ada")
    await people.open(jid)
    with pytest.raises(AccountInUse):
        await people.open(jid)


async def test_direct_tls_works_on_its_port(people: People) -> None:
    ada = await people.open(people.account("ada"), port=people.server.xmpps_port, direct_tls=True)
    assert ada.link.value == "online"


async def test_without_tls_only_when_asked_for(people: People) -> None:
    ada = await people.open(people.account("ada"), insecure=True)
    assert ada.link.value == "online"


async def test_a_changed_certificate_is_refused(people: People) -> None:
    jid = people.account("ada")
    async with people.device(jid):
        pass
    with pytest.raises(CertificateChanged, match="another certificate"):
        async with people.device(jid, pin="00" * 32):
            pass


async def test_an_address_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="looks like name@example"):
        Client("localhost", "pw")
