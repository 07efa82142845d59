"""The admin API: only operators use it, it does what it describes, and it notes who did what."""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith.api import admin as admin_package
from kith.api.admin.admission import WRONG
from tests.admin.operator import Operator, kith
from tests.api.person import Device, Person, until
from tests.api.test_devices import forget_codes
from tests.conftest import RunningServer, running
from tests.raw import RawClient, online

_SETTINGS = {"operators": "+4915112999999@localhost"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", **_SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def operator(server: RunningServer) -> Operator:
    return Operator(server)


def written() -> set[tuple[str, str]]:
    """Method and path of all that is written down in the source as an endpoint."""
    found = set()
    for module in pkgutil.iter_modules(admin_package.__path__, "kith.api.admin."):
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type):
                found |= {value._endpoint[:2] for value in vars(kind).values() if hasattr(value, "_endpoint")}
    assert len(found) >= 15
    return found


async def test_every_endpoint_is_described_and_needs_an_operator(server: RunningServer) -> None:
    nobody = Person(server)
    described = (await nobody.ask("GET", "/api/admin/openapi.json")).body
    assert described["openapi"].startswith("3.1")
    paths = described["paths"]
    assert {(method.upper(), path) for path in paths for method in paths[path]} == written()
    operations = [operation for path in paths.values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["security"] == [{"operator": []}]
            answer = await nobody.ask(method.upper(), re.sub(r"\{\w+\}", "x", path), [])
            assert (answer.status, answer.error) == (401, "not-authorized"), (method, path)


async def test_accounts_of_others_and_app_passwords_do_not_get_in(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    for method, path in (("GET", "me"), ("GET", "people"), ("DELETE", "people/x"), ("POST", "bans")):
        answer = await person.ask(method, f"/api/admin/{path}", {}, phone)
        assert (answer.status, answer.error) == (403, "forbidden"), (method, path)


async def test_a_device_of_an_operator_gets_in_until_the_account_is_suspended(
    server: RunningServer, operator: Operator
) -> None:
    boss = Person(server, "+4915112999999")
    phone = await boss.register()
    me = (await boss.done("GET", "/api/admin/me", device=phone)).body
    assert (me["name"], me["kind"], me["write"]) == ("+4915112999999@localhost", "operator", True)
    server.add_user("zoe")
    await boss.done("PUT", "/api/admin/people/zoe/suspension", {}, phone)
    entry = (await operator.done("GET", "/log?limit=1"))["entries"][0]
    assert (entry["by"], entry["via"], entry["action"], entry["target"]) == (
        "+4915112999999@localhost",
        "operator",
        "suspend",
        "zoe@localhost",
    )


async def test_the_number_of_an_operator_changes_only_after_the_setting(server: RunningServer) -> None:
    """Otherwise, whoever gets the old number from the phone company would be an operator."""
    boss, new = Person(server, "+4915112999999"), Person(server)
    forget_codes(server)
    phone = await boss.register()
    request = {"number": new.number, "code": await new.send_code()}
    answer = await boss.ask("POST", "/api/account/number", request, phone)
    assert (answer.status, answer.error) == (409, "conflict")
    assert "operators" in answer.body["text"]
    assert (await boss.done("GET", "/api/account", device=phone)).body["number"] == boss.number
    await new.register(code=request["code"])  # the code is still good


async def test_an_app_password_of_an_operator_is_only_good_for_chatting(server: RunningServer) -> None:
    boss = Person(server, "+4915112999999")
    forget_codes(server)
    phone = await boss.register()
    made = (await boss.done("POST", "/api/app-passwords", {"name": "Dino"}, phone)).body
    agent = str(uuid.uuid4())
    async with RawClient(server.port) as client:
        ask = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
        success = await client.login2(phone.local, ask, agent=agent, password=made["password"])
        token = success.find("{urn:xmpp:fast:0}token")
        assert token is not None
    app = Device({"address": phone.login["address"], "agent": agent, "token": token.get("token")})
    answer = await boss.ask("GET", "/api/admin/me", device=app)
    assert (answer.status, answer.error) == (403, "forbidden")
    assert (await boss.ask("GET", "/api/admin/me", device=phone)).status == 200


async def test_an_admin_token_is_nobodys_account(server: RunningServer, operator: Operator) -> None:
    headers = {"Authorization": f"Bearer {operator.token}"}
    answer = await Person(server).ask("GET", "/api/account", headers=headers)
    assert (answer.status, answer.error) == (401, "not-authorized")


async def test_a_token_that_may_only_read_changes_nothing(server: RunningServer) -> None:
    shown = kith(server, "admin", "token", "create", "reader", "--read-only", "--days", "1").stdout.strip()
    reader = Operator(server, shown)
    me = await reader.done("GET", "/me")
    assert (me["name"], me["kind"], me["write"]) == ("reader", "token", False)
    assert me["expires"]
    server.add_user("yan")
    for method, path, body in (
        ("POST", "/people", {"address": "x", "password": "x"}),
        ("DELETE", "/people/yan", None),
        ("PUT", "/people/yan/password", {"password": "x"}),
        ("POST", "/bans", {"kind": "account", "value": "yan"}),
    ):
        answer = await reader.ask(method, path, body)
        assert (answer.status, answer.error) == (403, "forbidden")
    assert (await reader.done("GET", "/people/yan"))["state"] == "active"


async def test_a_token_is_refused_once_it_is_revoked_or_expired(server: RunningServer) -> None:
    token = kith(server, "admin", "token", "create", "short").stdout.strip()
    expired = kith(server, "admin", "token", "create", "over", "--days", "0.000000001").stdout.strip()
    listed = kith(server, "admin", "token", "list").stdout
    assert re.search(r"short +change .* never", listed)
    assert token not in listed
    assert token.encode() not in server.on_disk()
    await Operator(server, token).done("GET", "/me")
    assert "was revoked" in kith(server, "admin", "token", "revoke", "short").stdout
    for text in (token, expired, token + "x", token[:-1], "kadm_", "kadm_" + "é" * 10):
        headers = {"Authorization": f"Bearer {text}".encode().decode("latin-1")}
        answer = await Person(server).ask("GET", "/api/admin/me", headers=headers)
        assert (answer.status, answer.error) == (401, "not-authorized")
    again = kith(server, "admin", "token", "revoke", "short", check=False)
    assert again.returncode == 2
    assert "there is no token short" in again.stderr


async def test_wrong_tokens_are_limited_and_right_ones_are_not(
    server: RunningServer, operator: Operator
) -> None:
    attacker = Person(server)
    headers = {"Authorization": "Bearer kadm_wrong"}
    answers = [await attacker.ask("GET", "/api/admin/me", headers=headers) for _ in range(WRONG[0] + 5)]
    assert [answer.status for answer in answers] == [401] * WRONG[0] + [429] * 5
    assert answers[-1].body["retry_after"] > 0
    right = {"Authorization": f"Bearer {operator.token}"}
    assert (await attacker.ask("GET", "/api/admin/me", headers=right)).status == 200
    assert server.log.read_text().count("wrong admin token") <= WRONG[0] + 10


async def test_people_are_listed_with_what_is_known_of_them(
    server: RunningServer, operator: Operator
) -> None:
    person = Person(server)
    phone = await person.register("My phone")
    client = await phone.online(server.port)
    card = "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Wanda\nBrown</text></fn></vcard>"
    await client.result("set", card)
    page = await operator.done("GET", f"/people?query={person.number[1:]}")
    assert page["total"] == 1
    assert page["next"] == ""
    (shown,) = page["people"]
    assert (shown["number"], shown["name"], shown["online"]) == (person.number, "Wanda Brown", True)
    assert (shown["devices"], shown["state"], shown["operator"]) == (1, "active", False)
    assert shown["last_seen"].endswith("Z")
    assert [one["name"] for one in (await operator.done("GET", "/people?query=WANDA"))["people"]] == [
        "Wanda Brown"
    ]
    details = await operator.done("GET", f"/people/%2B{person.number[1:]}")
    (device,) = details["devices_list"]
    assert (device["name"], device["online"], device["id"]) == ("Test", True, phone.login["device"])
    (session,) = details["sessions"]
    assert (session["device"], session["connected"], session["available"]) == (device["id"], True, True)
    assert details["storage"]["document_bytes"] > 0
    assert not details["password"]
    client.abort()


async def test_pages_have_everybody_once_in_order(server: RunningServer, operator: Operator) -> None:
    for number in range(7):
        server.add_user(f"page{number}")
    for sort in ("address", "last_seen"):
        found: list[str] = []
        after = ""
        while True:
            page = await operator.done("GET", f"/people?query=page&sort={sort}&limit=3&after={after}")
            found += [one["address"] for one in page["people"]]
            after = page["next"].replace(" ", "%20")
            if not after:
                break
        assert sorted(found) == [f"page{number}@localhost" for number in range(7)]
        assert page["total"] == 7
    client = await online(server.port, "page3")
    shown = await operator.done("GET", "/people?query=page&state=online")
    assert [one["address"] for one in shown["people"]] == ["page3@localhost"]
    await operator.done("DELETE", "/people/page3/sessions")
    await client.end()

    async def first() -> bool:  # the time when somebody left is written a little later
        shown = await operator.done("GET", "/people?query=page&sort=last_seen&limit=1")
        return bool(shown["people"][0]["address"] == "page3@localhost")

    await until(first)


async def test_accounts_are_added_changed_and_removed(server: RunningServer, operator: Operator) -> None:
    made = await operator.done("POST", "/people", {"address": "Xaver", "password": "pw"})
    assert made["address"] == "xaver@localhost"
    client = await online(server.port, "xaver")
    again = await operator.ask("POST", "/people", {"address": "xaver@localhost", "password": "pw"})
    assert (again.status, again.error) == (409, "conflict")
    weak = await operator.ask("PUT", "/people/xaver/password", {"password": "\u0000"})
    assert (weak.status, weak.error) == (422, "weak-password")
    await operator.done("PUT", "/people/xaver/password", {"password": "other"})
    await client.end()
    await operator.done("PUT", "/people/xaver/password", {"password": "pw"})
    client = await online(server.port, "xaver")
    await operator.done("DELETE", "/people/xaver")
    await client.end()
    assert (await operator.ask("GET", "/people/xaver")).status == 404
    for path in ("x@elsewhere.example", "a%20b", "%2B49", "x%2Fy"):
        assert (await operator.ask("GET", f"/people/{path}")).status == 404
    log = (await operator.done("GET", "/log?limit=4"))["entries"]
    assert [entry["action"] for entry in log] == [
        "account.remove",
        "account.password",
        "account.password",
        "account.add",
    ]


async def test_devices_and_app_passwords_are_revoked(server: RunningServer, operator: Operator) -> None:
    person = Person(server)
    phone = await person.register()
    made = (await person.done("POST", "/api/app-passwords", {"name": "Dino"}, phone)).body
    path = f"/people/%2B{person.number[1:]}"
    shown = await operator.done("GET", path)
    assert [one["name"] for one in shown["app_passwords"]] == ["Dino"]
    await operator.done("DELETE", f"{path}/app-passwords/{made['id']}")
    assert (await operator.ask("DELETE", f"{path}/app-passwords/{made['id']}")).status == 404
    client = await phone.online(server.port)
    await operator.done("DELETE", f"{path}/devices/{phone.login['device']}")
    await client.end()
    assert await phone.refused(server.port)
    assert (await operator.ask("DELETE", f"{path}/devices/{phone.login['device']}")).status == 404
    assert (await operator.ask("DELETE", f"{path}/devices/all")).status == 204


async def test_the_audit_log_tells_what_commands_did_and_can_not_be_forged(
    server: RunningServer, operator: Operator
) -> None:
    server.add_user("walt")
    note = "x\n2026-01-01 root command account.remove everybody\x1b[2J\u202e"
    await operator.done("POST", "/bans", {"kind": "account", "value": "walt", "note": note})
    await asyncio.to_thread(kith, server, "user", "passwd", "walt", "--password", "new")
    await asyncio.to_thread(kith, server, "user", "remove", "walt", "--yes")
    shown = (await asyncio.to_thread(kith, server, "admin", "log", "--count", "3")).stdout.splitlines()
    assert len(shown) == 4, shown
    assert "\x1b" not in "".join(shown)
    assert [line.split()[4] for line in shown[1:]] == ["ban", "account.password", "account.remove"]
    lines = (await asyncio.to_thread(kith, server, "admin", "log", "--json", "--count", "3")).stdout.split(
        "\n"
    )
    assert json.loads(lines[2])["target"] == "walt@localhost"
    assert json.loads(lines[2])["via"] == "command"
    first = await operator.done("GET", "/log?limit=2")
    second = await operator.done("GET", f"/log?limit=1&before={first['next']}")
    assert [entry["action"] for entry in (*first["entries"], *second["entries"])] == [
        "account.remove",
        "account.password",
        "ban",
    ]


async def test_invitations_are_made_once_listed_and_revoked(
    server: RunningServer, operator: Operator
) -> None:
    server.add_user("vic")
    made = await operator.done("POST", "/invitations", {"contact": "vic", "name": "Guest", "days": 1})
    assert made["url"].rpartition("/")[2] in made["uri"]
    assert made["qr"].startswith("<svg")
    listed = await operator.done("GET", "/invitations")
    (shown,) = listed["invitations"]
    assert (shown["id"], shown["name"], shown["contact"]) == (made["id"], "guest", "vic@localhost")
    assert not listed["usable"]  # with registration = phone
    token = made["url"].rpartition("/")[2]
    assert token not in json.dumps(listed)
    for request, error in (
        ({"name": "guest"}, "conflict"),
        ({"name": "vic"}, "conflict"),
        ({"name": "a b"}, "bad-request"),
        ({"contact": "nobody"}, "not-found"),
    ):
        assert (await operator.ask("POST", "/invitations", request)).error == error
    await operator.done("DELETE", f"/invitations/{made['id']}")
    assert (await operator.ask("DELETE", f"/invitations/{made['id']}")).status == 404
    assert (await operator.ask("DELETE", f"/invitations/{made['id'][:1]}")).status == 404
    assert (await operator.done("GET", "/invitations"))["invitations"] == []
    await operator.done("POST", "/invitations", {"name": "guest"})  # the name is free again
    assert "t" in (await operator.done("GET", "/log?limit=1"))["entries"][0]["action"]


async def test_reports_are_listed_and_done_with(server: RunningServer, operator: Operator) -> None:
    for name in ("uma", "troll"):
        server.add_user(name)
    client = await online(server.port, "uma")
    report = (
        "<block xmlns='urn:xmpp:blocking'><item jid='troll@localhost'>"
        "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'><text>Buys &lt;b&gt; all"
        "</text></report></item></block>"
    )
    await client.result("set", report)
    (shown,) = (await operator.done("GET", "/reports"))["reports"]
    assert (shown["reporter"], shown["reported"]) == ("uma@localhost", "troll@localhost")
    assert (shown["reason"], shown["text"], shown["local"]) == ("spam", "Buys <b> all", True)
    assert (await operator.done("GET", "/people/troll"))["reports"] == 1
    assert (await operator.done("GET", "/health"))["open_reports"] == 1
    await operator.done("DELETE", f"/reports/{shown['id']}")
    assert (await operator.done("GET", "/reports"))["reports"] == []
    assert (await operator.ask("DELETE", f"/reports/{shown['id']}")).status == 404
    client.abort()


async def test_health_counts_what_is_there(server: RunningServer, operator: Operator) -> None:
    server.add_user("sue")
    before = await operator.done("GET", "/health")
    client = await online(server.port, "sue")
    after = await operator.done("GET", "/health")
    assert (after["online"], after["sessions"]) == (before["online"] + 1, before["sessions"] + 1)
    assert after["domain"] == "localhost"
    assert after["database_bytes"] > 0
    assert after["free_bytes"] > 0
    assert not after["disk_failing"]
    client.abort()


async def test_a_page_of_another_site_can_not_use_it(server: RunningServer, operator: Operator) -> None:
    headers = {"Authorization": f"Bearer {operator.token}", "Origin": "https://evil.example"}
    answer = await Person(server).ask("DELETE", "/api/admin/people/walt", headers=headers)
    assert (answer.status, answer.error) == (403, "forbidden")


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "data", domain="example.org") as server:
        operator = Operator(server)
        health = asyncio.run(operator.done("GET", "/health"))
        assert "self-signed" in health["problems"][0]["text"]
        for name in ("ada", "ben"):
            asyncio.run(operator.done("POST", "/people", {"address": name, "password": "pw"}))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run"),
                f"http://127.0.0.1:{server.http_port}/api/admin/openapi.json",
                *("--header", f"Authorization: Bearer {operator.token}"),
                *("--max-examples", "15", "--seed", "1", "--phases", "examples,coverage,fuzzing"),
                *("--exclude-checks", "positive_data_acceptance,ignored_auth"),
                *("--request-timeout", "30", "--no-color"),
            ],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert "level=error" not in server.log.read_text()
