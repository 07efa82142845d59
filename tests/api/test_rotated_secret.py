"""What survives when the operator replaces the server's secret, and what ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.accounts.discovery import BUDGET, Discovery
from kith.accounts.errors import Refused
from kith.base.clock import Clock
from kith.base.secret import Secret
from kith.client.api import ServerAPI
from kith.client.discovery import discover
from kith.store.sqlite import SQLiteStore
from tests.api.person import Device, Person
from tests.api.test_app_passwords import Scram, app_password
from tests.api.test_devices import forget_codes
from tests.api.test_pin import give_pin, with_pin
from tests.conftest import RunningServer, running
from tests.core.test_sasl2 import BIND2, agent, by_token, once
from tests.core.test_sasl2 import condition as reason
from tests.core.test_sasl2 import plain as by_password

FAST = "{urn:xmpp:fast:0}"


def rotate(server: RunningServer, *options: str) -> None:
    """Beside the running server, which then starts again."""
    done = server.kith("secret", "rotate", *options)
    assert "Restart the server" in done.stdout
    server.stop()
    server.start()


async def login(server: RunningServer, device: Device) -> str:
    """Logs in on XMPP by the device's token. Returns the new token, if there is one, or the condition."""
    answer = await once(server.port, by_token(device.local, device.login["token"], device.login["agent"]))
    if answer.tag.endswith("}failure"):
        return reason(answer)
    token = answer.find(f"{FAST}token")
    return str(token.get("token")) if token is not None else ""


async def listed_id(person: Person, device: Device) -> list[str]:
    answer = await person.done("GET", "/api/devices", device=device)
    return [one["id"] for one in answer.body["devices"]]


async def test_devices_stay_logged_in_as_themselves_and_get_new_tokens(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        person = Person(server)
        phone = await person.register()
        ids = await listed_id(person, phone)
        rotate(server)
        assert await listed_id(person, phone) == ids  # by the API, with the old token
        renewed = await login(server, phone)
        assert len(renewed) > 20
        phone.login["token"] = renewed
        assert await login(server, phone) == ""  # accepted, and no newer one
        rotate(server, "--log-out")
        assert await login(server, phone) == "credentials-expired"
        assert (await person.ask("GET", "/api/devices", device=phone)).status == 401


async def test_passwords_app_passwords_and_sessions_survive(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.add_user("ada")
        person = Person(server)
        phone = await person.register()
        made = [await app_password(person, phone) for _ in range(2)]
        rotate(server, "--log-out")
        answer = await once(server.port, by_password("ada", agent("d4565ce1-2b7f-4a2e-8b4f-0d9f3a0c9f11")))
        assert answer.tag.endswith("}success")
        phone = await again(person)
        made.append(await app_password(person, phone))  # beside those of the old secret
        for one in made:
            for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"):
                async with Scram(server.port) as client:
                    assert await client.scram(mechanism, phone.local, one["password"]) == "success"
            async with Scram(server.port) as client:
                await client.login(phone.local, one["password"])


async def again(person: Person) -> Device:
    """Logs in by a code, as somebody without a token has to."""
    forget_codes(person.server)
    return await person.register()


async def test_a_session_resumes_over_the_restart_that_brings_the_new_secret(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        person = Person(server)
        phone = await person.register()
        enable = BIND2.format("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        token, id = phone.login["token"], phone.login["agent"]
        answer = await once(server.port, by_token(phone.local, token, id, enable))
        session = answer.find(".//{urn:xmpp:sm:3}enabled")
        assert session is not None
        rotate(server)
        resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{session.get('id')}' h='0'/>"
        answer = await once(server.port, by_token(phone.local, token, id, resume))
        assert answer.find("{urn:xmpp:sm:3}resumed") is not None
        assert answer.find(f"{FAST}token") is not None


async def test_a_pin_stays_and_a_wrong_one_is_still_wrong(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        person, _ = await with_pin(server)
        for options in ((), ("--log-out",)):  # the second time, it is stored under a new secret already
            rotate(server, *options)
            forget_codes(server)
            asked = await person.try_to_register("new", await person.send_code())
            assert asked.error == "pin-required"
            assert (await give_pin(person, asked.body["proof"], "000000")).error == "wrong-pin"
            assert (await give_pin(person, asked.body["proof"], "135790")).status == 201


async def test_codes_and_proofs_of_the_old_secret_are_void(tmp_path: Path) -> None:
    """Whoever has the old secret could have made them."""
    with running(tmp_path / "data") as server:
        person, _ = await with_pin(server)
        asked = await person.try_to_register("new", await person.send_code())
        other = Person(server)
        code = await other.send_code()
        rotate(server)
        assert (await other.try_to_register("phone", code)).error == "expired-code"
        assert (await give_pin(person, asked.body["proof"], "135790")).error == "expired-code"


async def test_address_books_are_looked_up_again_with_the_new_secret(tmp_path: Path) -> None:
    """The values that devices have kept are void, so everybody can have as many as at first."""
    with running(tmp_path / "data") as server:
        me, friend = Person(server), Person(server)
        phone = await me.register()
        await friend.register()
        for _ in range(2):
            async with ServerAPI(f"http://127.0.0.1:{server.http_port}", phone.credential) as api:
                assert await discover(api, [friend.number, "+4915200000001"]) == [friend.number]
            rotate(server)
    store = SQLiteStore(tmp_path / "looked-up.sqlite")
    await store.open()
    first = Discovery(Secret(b"one"), Clock(), store)
    await first._spend(1, BUDGET)
    with pytest.raises(Refused):
        await first._spend(1, 10)
    second = Discovery(Secret(b"two", generation=1), Clock(), store)
    await second._spend(1, BUDGET)
    with pytest.raises(Refused):
        await second._spend(1, 10)
    await store.close()


def test_a_folder_that_no_server_has_used_has_no_secret_to_replace(tmp_path: Path) -> None:
    done = RunningServer(tmp_path / "data").kith("secret", "rotate", check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_a_server_with_a_damaged_secret_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.kith("secret", "rotate")
        server.stop()
        file = server.data_dir / "secret"
        file.write_bytes(file.read_bytes()[:90])
        with pytest.raises(RuntimeError, match=r"secret in .*damaged"):
            server.start()
