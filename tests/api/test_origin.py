"""Which requests the HTTP API takes: over TLS or from here, and from no other site's page."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from kith.accounts.errors import Refused
from kith.api.origin import Origins
from kith.config import Config
from kith.edge.edge import Edge
from kith.edge.proxies import Proxies
from tests.api.person import Person, new_address, new_number
from tests.conftest import RunningServer, running

CODE = "/api/register/code"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """As it is by default: no logins without TLS."""
    with running(tmp_path_factory.mktemp("strict") / "data", allow_plaintext="off") as server:
        yield server


async def ask(
    base: str, headers: dict[str, str] | list[tuple[str, str]], data: str = "", method: str = "POST"
) -> tuple[int, str]:
    """A status, and the reason of a refusal."""
    body = data or f'{{"number": "{new_number()}"}}'
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, base + CODE, data=body, headers=headers, ssl=False) as answer,
    ):
        return answer.status, str((await answer.json()).get("error", ""))


JSON = {"Content-Type": "application/json"}
PROXIED = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}


async def test_this_machine_and_tls_and_a_trusted_proxy_are_answered(strict: RunningServer) -> None:
    plain, tls = f"http://localhost:{strict.http_port}", f"https://localhost:{strict.https_port}"
    assert await ask(plain, JSON) == (202, "")
    assert await ask(tls, JSON) == (202, "")
    assert await ask(plain, JSON | {"X-Forwarded-For": new_address(), "X-Forwarded-Proto": "https"}) == (
        202,
        "",
    )
    assert await ask(plain, JSON | {"Origin": plain}) == (202, "")


async def test_what_may_have_been_on_a_network_is_refused(strict: RunningServer) -> None:
    refused = (403, "encryption-required")
    local = f"http://127.0.0.1:{strict.http_port}"
    assert await ask(local, JSON | {"X-Forwarded-For": "198.51.100.1"}) == refused
    assert await ask(local, JSON | PROXIED | {"X-Forwarded-Proto": "http"}) == refused
    assert await ask(local, JSON | {"Host": "chat.example"}) == refused
    for path in ("/api/account", "/api/devices", "/api/links/" + "0" * 32):
        headers = {"Host": "chat.example", "Authorization": "Bearer x"}
        async with aiohttp.ClientSession() as http, http.get(local + path, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]) == refused


def came(remote: str, headers: dict[str, str], named: tuple[str, ...] = (), plaintext: bool = False) -> bool:
    """Whether the API takes a request that has come without TLS from an address."""
    config = Config(trusted_proxies=list(named), allow_plaintext=plaintext)
    edge = SimpleNamespace(proxies=Proxies(named), config=config)
    transport = SimpleNamespace(
        get_extra_info=lambda name, default=None: (remote, 40000) if name == "peername" else default
    )
    request = make_mocked_request("POST", CODE, JSON | headers, transport=cast(Any, transport))
    try:
        Origins(cast(Edge, edge)).check(request)
    except Refused as error:
        return error.reason != "encryption-required"
    return True


def test_over_plain_http_from_elsewhere_nobody_gets_a_token() -> None:
    for headers in ({}, PROXIED, {"Host": "localhost"}, {"Host": "localhost", "Origin": "http://localhost"}):
        assert not came("192.0.2.1", headers)
        assert not came("192.0.2.1", headers, plaintext=True)
        assert not came("2001:db8::1", headers, named=("192.0.2.0/24",))


def test_a_proxy_elsewhere_is_believed_once_it_is_named() -> None:
    for named in (("192.0.2.1",), ("198.51.100.0/24", "192.0.2.0/24")):
        assert came("192.0.2.1", PROXIED, named)
        assert came("::ffff:192.0.2.1", PROXIED, named)
        assert not came("192.0.2.1", {}, named)
        assert not came("192.0.2.1", PROXIED | {"X-Forwarded-Proto": "http"}, named)
        assert not came("203.0.113.1", PROXIED, named)


@pytest.mark.parametrize(
    "type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/json"]
)
async def test_a_request_that_any_page_could_send_unasked_is_refused(
    server: RunningServer, type: str
) -> None:
    base = f"http://127.0.0.1:{server.http_port}"
    assert await ask(base, {"Content-Type": type}) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://[::1"},
    ],
)
async def test_other_sites_can_change_nothing(server: RunningServer, headers: dict[str, str]) -> None:
    base = f"http://127.0.0.1:{server.http_port}"
    assert await ask(base, JSON | headers) == (403, "forbidden")


async def test_the_own_pages_can(server: RunningServer) -> None:
    base = f"http://127.0.0.1:{server.http_port}"
    other = {"X-Forwarded-For": new_address()}
    assert await ask(base, JSON | other | {"Origin": base, "Sec-Fetch-Site": "same-origin"}) == (202, "")
    assert await ask(base, JSON | other | {"Sec-Fetch-Site": "none"}) == (202, "")
    forwarded = {"Origin": "https://chat.example", "X-Forwarded-Host": "chat.example"}
    assert await ask(base, JSON | other | forwarded) == (202, "")
    assert await ask(base, JSON | other | {"Origin": "https://localhost"}) == (202, "")


async def test_every_endpoint_that_changes_something_is_closed_to_other_sites(server: RunningServer) -> None:
    person = Person(server)
    described: dict[str, Any] = (await person.ask("GET", "/api/openapi.json")).body["paths"]
    changing = [
        (method, path) for path, methods in described.items() for method in methods if method != "get"
    ]
    assert len(changing) > 10
    device = await person.register()
    for method, path in changing:
        path = path.replace("{id}", "0" * 16)
        evil = {"Origin": "https://evil.example"}
        answer = await person.ask(method.upper(), path, json={}, device=device, headers=evil)
        assert (answer.status, answer.error) == (403, "forbidden"), path
        if method != "delete":
            typed = {"Content-Type": "text/plain"}
            answer = await person.ask(method.upper(), path, data="{}", device=device, headers=typed)
            assert (answer.status, answer.error) == (415, "unsupported-media-type"), path


async def test_the_last_line_of_x_forwarded_for_counts(server: RunningServer) -> None:
    base, real = f"http://127.0.0.1:{server.http_port}", new_address()
    results = []
    for count in range(12):
        lines = [
            ("Content-Type", "application/json"),
            ("X-Forwarded-For", f"203.0.113.{count}"),
            ("X-Forwarded-For", real),
        ]
        results.append((await ask(base, lines))[0])
    assert results == [202] * 10 + [429] * 2


async def test_who_came_over_tls_is_told_to_do_so_again(server: RunningServer) -> None:
    plain, tls = f"http://127.0.0.1:{server.http_port}", f"https://127.0.0.1:{server.https_port}"
    async with aiohttp.ClientSession() as http:
        for path in ("/", "/api/account", "/health", "/nothing", "/.well-known/host-meta"):
            async with http.get(tls + path, ssl=False) as answer:
                assert "max-age=31536000" in answer.headers["Strict-Transport-Security"], path
            async with http.get(plain + path, headers={"X-Forwarded-Proto": "https"}) as answer:
                assert "Strict-Transport-Security" in answer.headers, path
            async with http.get(plain + path) as answer:
                assert "Strict-Transport-Security" not in answer.headers, path
            async with http.get(tls + path, ssl=False, headers={"Host": "localhost"}) as answer:
                assert "Strict-Transport-Security" not in answer.headers, path
