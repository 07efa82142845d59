"""For whom a proxy asks, and which requests without TLS nobody can have read on the way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kith.edge.proxies import Fields, Proxies


def fields(**lines: Sequence[str]) -> Fields:
    named = {name.replace("_", "-"): values for name, values in lines.items()}
    return lambda name: named.get(name, ())


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.2.2.3", ["198.51.100.1"], "10.2.2.3"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1", "10.1.0.1"], "198.51.100.1"),
        ("127.0.0.1", ["10.1.0.1"], "10.1.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1", "nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("", ["198.51.100.1"], ""),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1:4711 , 10.1.0.1:80"], "198.51.100.1"),
        ("127.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("127.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("127.0.0.1", ['"[2001:db8::7]:4711"'], "2001:db8::7"),
        ("127.0.0.1", ["::ffff:198.51.100.1"], "::ffff:198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1:x"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, [2001:db8::7"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1:\u0661"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9,"], "127.0.0.1"),
    ],
)
def test_the_address_of_who_asks_is_the_last_that_no_trusted_proxy_has(
    peer: str, lines: list[str], client: str
) -> None:
    assert Proxies(["10.1.0.0/16", "2001:db8:1::/48"]).client(peer, fields(X_Forwarded_For=lines)) == client


@pytest.mark.parametrize(
    ("peer", "lines", "safe"),
    [
        ("127.0.0.1", ["https"], True),
        ("10.1.2.3", ["https"], True),
        ("192.0.2.1", ["https"], False),
        ("127.0.0.1", ["http"], False),
        ("127.0.0.1", ["https", "http"], False),
        ("127.0.0.1", ["https, http"], False),
        ("127.0.0.1", [], False),
        ("10.1.2.3", [], False),
    ],
)
def test_only_a_trusted_proxy_can_say_that_the_client_came_over_tls(
    peer: str, lines: list[str], safe: bool
) -> None:
    assert Proxies(["10.1.0.0/16"]).over_tls(peer, fields(X_Forwarded_Proto=lines)) is safe


@pytest.mark.parametrize(
    ("peer", "lines", "local"),
    [
        ("127.0.0.1", {"Host": ["localhost:8080"]}, True),
        ("::1", {"Host": ["[::1]:8080"]}, True),
        ("127.0.0.1", {"Host": ["localhost:8080"], "Origin": ["http://localhost:8080"]}, True),
        ("127.0.0.1", {"Host": ["localhost:8080"], "Origin": ["http://localhost:3000"]}, False),
        ("127.0.0.1", {"Host": ["localhost:8080"], "Origin": ["https://localhost:8080"]}, False),
        ("127.0.0.1", {"Host": ["localhost:8080"], "Origin": ["null"]}, False),
        ("127.0.0.1", {"Host": ["rebound.example:8080"], "Origin": ["http://rebound.example:8080"]}, False),
        ("127.0.0.1", {"Host": ["chat.example"]}, False),
        ("127.0.0.1", {"Host": ["localhost"], "X-Forwarded-For": ["198.51.100.1"]}, False),
        ("127.0.0.1", {"Host": ["localhost"], "Via": ["1.1 proxy"]}, False),
        ("127.0.0.1", {"Host": ["localhost", "localhost"]}, False),
        ("127.0.0.1", {}, False),
        ("192.0.2.1", {"Host": ["localhost:8080"]}, False),
        ("10.1.2.3", {"Host": ["localhost:8080"]}, False),
    ],
)
def test_a_request_is_local_if_it_was_on_no_network(
    peer: str, lines: dict[str, list[str]], local: bool
) -> None:
    assert Proxies(["10.1.0.0/16"]).is_local(peer, lambda name: lines.get(name, ())) is local
