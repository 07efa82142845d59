"""Another notation of a number, a prefix or a network is no way around a ban."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.admin.targets import account_address, ban_value, guess_kind
from kith.config import Config
from kith.records.bans import Ban, BanList, Kind

CONFIG = Config(domain="example.org", phone_country="DE", trusted_proxies=["10.1.0.0/16"])


def ban(kind: Kind, value: str, **more: Any) -> Ban:
    return Ban("1", kind, value, 0.0, **more)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("account", "Ada", "ada"),
        ("account", "ada@Example.ORG", "ada"),
        ("account", "+49 170 1234567", "+491701234567"),
        ("number", "0170 / 123 45 67", "+491701234567"),
        ("number", "0049-170-1234567", "+491701234567"),
        ("number", "+52 1 55 1234 5678", "+525512345678"),
        ("number", "+54 11 2345-6789", "+5491123456789"),
        ("number", "+49 800 1234567", "+498001234567"),
        ("prefix", "+49 170*", "+49170"),
        ("prefix", "0049170", "+49170"),
        ("prefix", "+52 1", "+52"),
        ("prefix", "+521555", "+52555"),
        ("prefix", "+54 11", "+54911"),
        ("prefix", "+54911", "+54911"),
        ("country", "de", "DE"),
        ("network", "192.0.2.7", "192.0.2.7/32"),
        ("network", "192.0.2.7/24", "192.0.2.0/24"),
        ("network", "::ffff:192.0.2.7", "192.0.2.7/32"),
        ("network", "::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("network", "2001:DB8::1", "2001:db8::/64"),
        ("network", "2001:db8:0:0:1:2:3:4/96", "2001:db8::/64"),
        ("network", "2001:db8::/48", "2001:db8::/48"),
    ],
)
def test_every_notation_becomes_the_one_that_is_compared(kind: Kind, text: str, value: str) -> None:
    assert ban_value(CONFIG, kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("account", "ada@elsewhere.example"),
        ("account", "a b"),
        ("number", "12"),
        ("number", "+49170*"),
        ("prefix", "170"),
        ("prefix", "+"),
        ("prefix", "+49a"),
        ("country", "XX"),
        ("country", "Germany"),
        ("network", "0.0.0.0/0"),
        ("network", "::/0"),
        ("network", "127.0.0.1"),
        ("network", "::1"),
        ("network", "::ffff:127.0.0.1"),
        ("network", "10.1.2.3"),
        ("network", "10.0.0.0/8"),
        ("network", "192.0.2.0/33"),
        ("network", "example.org"),
        ("suspension", "ada"),
    ],
)
def test_what_would_ban_everybody_or_nobody_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        ban_value(CONFIG, kind, text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ada", "account"),
        ("ada@example.org", "account"),
        ("+491701234567", "number"),
        ("+4917*", "prefix"),
        ("192.0.2.0/24", "network"),
        ("2001:db8::1", "network"),
        ("DE", "account"),
    ],
)
def test_what_a_text_names_is_guessed(text: str, kind: Kind) -> None:
    assert guess_kind(text) == kind


def test_an_account_is_named_in_any_usual_notation() -> None:
    assert account_address("example.org", "+49 (170) 123-4567") == "+491701234567@example.org"
    assert account_address("example.org", "ADA@example.org") == "ada@example.org"
    for text in ("", "@example.org", "ada@example.org/phone", "ada@other.example"):
        with pytest.raises(ValueError, match=r"\w"):
            account_address("example.org", text)


def test_a_ban_of_a_country_is_for_its_numbers_only() -> None:
    bans = BanList([ban("country", "US")])
    assert bans.of_account(0, "+12125550100")
    assert not bans.of_account(0, "+14165550100")
    assert not bans.of_account(0, "us")


def test_a_suspension_is_for_one_account_and_not_for_the_next_of_that_name() -> None:
    bans = BanList([ban("suspension", "ada", account=7)])
    assert bans.of_account(7, "ada")
    assert bans.of_account(7, "renamed")
    assert not bans.of_account(8, "ada")
    assert not bans.of_account(0, "ada")


def test_a_prefix_is_one_of_numbers_only() -> None:
    bans = BanList([ban("prefix", "+4917")])
    assert bans.of_account(0, "+491701234567")
    assert bans.of_account(0, "+4917")
    assert not bans.of_account(0, "+491611234567")
    assert not bans.of_account(0, "4917")


_ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(_ADDRESSES, st.integers(8, 32), st.integers(16, 64))
def test_an_address_is_banned_in_every_notation_if_its_network_is(
    address: Any, short: int, long: int
) -> None:
    length = short if address.version == 4 else long
    net = ipaddress.ip_network(f"{address}/{length}", strict=False)
    bans = BanList([ban("network", str(net))])
    notations = [str(address), address.exploded, f"{address}%eth0"]
    if address.version == 4:
        notations.append(f"::ffff:{address}")
    plain = getattr(address, "ipv4_mapped", None)
    for text in notations:
        assert bool(bans.of_address(text)) is (plain is None), text
    outside = int(net.network_address) - 1
    if outside >= 0 and plain is None:
        assert not bans.of_address(str(type(address)(outside)))


def test_what_is_no_address_is_in_no_network() -> None:
    bans = BanList([ban("network", "192.0.2.0/24")])
    for text in ("", "unix", "192.0.2.300", "192.0.2.1.5"):
        assert not bans.of_address(text)
