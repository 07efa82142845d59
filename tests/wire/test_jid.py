"""Addresses: the examples of RFC 7622 §3.5, and what must hold for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.wire.jid import JID, parse_jid, prepare_local, prepare_resource


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("juliet@example.com", ("juliet", "example.com", "")),
        ("juliet@example.com/foo", ("juliet", "example.com", "foo")),
        ("juliet@example.com/foo bar", ("juliet", "example.com", "foo bar")),
        ("juliet@example.com/foo@bar", ("juliet", "example.com", "foo@bar")),
        ("foo\\20bar@example.com", ("foo\\20bar", "example.com", "")),
        ("fussball@example.com", ("fussball", "example.com", "")),
        ("fußball@example.com", ("fußball", "example.com", "")),
        ("π@example.com", ("π", "example.com", "")),
        ("Σ@example.com/foo", ("σ", "example.com", "foo")),
        ("σ@example.com/foo", ("σ", "example.com", "foo")),
        ("ς@example.com/foo", ("ς", "example.com", "foo")),
        ("king@example.com/♚", ("king", "example.com", "♚")),
        ("example.com", ("", "example.com", "")),
        ("example.com/foobar", ("", "example.com", "foobar")),
        ("a.example.com/b@example.net", ("", "a.example.com", "b@example.net")),
        ("+491701234567@example.org/phone", ("+491701234567", "example.org", "phone")),
    ],
)
def test_addresses_of_the_standard_are_taken_apart(text: str, parts: tuple[str, str, str]) -> None:
    assert parse_jid(text) == JID(*parts)


@pytest.mark.parametrize(
    "text",
    [
        '"juliet"@example.com',
        "foo bar@example.com",
        "@example.com/",
        "@example.com",
        "juliet@example.com/",
        "henryⅣ@example.com",
        "♚@example.com",
        "juliet@",
        "/foobar",
        "",
        "juliet@@example.com",
        "a@b@example.com",
        "a&b@example.com",
        "a'b@example.com",
        "a:b@example.com",
        "a<b@example.com",
        "juliet@exa mple.com",
        "juliet@-example.com",
        "juliet@example-.com",
        "juliet@a..b",
        "juliet@.",
        "juliet@[::1",
        "juliet@[example.com]",
        "juliet@[fe80::1%'/><x>]",
        "juliet@xn--a",
        "juliet@example.com/\x00",
        "juliet@example.com/\u200b",
        "\ud800@example.com",
        "juliet@\ud800.com",
        "juliet@example.com/\ud800",
    ],
)
def test_what_the_standard_forbids_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_jid(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Juliet@Example.COM", "juliet@example.com"),
        ("juliet@example.com.", "juliet@example.com"),
        ("juliet@XN--MNCHEN-3YA.de", "juliet@münchen.de"),
        ("juliet@MÜNCHEN.de", "juliet@münchen.de"),
        ("juliet@[0:0::1]", "juliet@[::1]"),
        ("ju\u0308l@example.com", "j\u00fcl@example.com"),
        ("juliet@example.com/a\u00a0b", "juliet@example.com/a b"),
        ("\uff4a@example.com", "j@example.com"),
    ],
)
def test_two_ways_to_write_an_address_are_equal(one: str, other: str) -> None:
    assert parse_jid(one) == parse_jid(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fussball@example.com", "fußball@example.com"),
        ("juliet@example.com/A", "juliet@example.com/a"),
        ("juliet@example.com/ a", "juliet@example.com/a"),
    ],
)
def test_different_addresses_stay_different(one: str, other: str) -> None:
    assert parse_jid(one) != parse_jid(other)


def test_a_part_has_at_most_1023_bytes() -> None:
    assert len(parse_jid("a" * 1023 + "@example.com").local) == 1023
    assert len(parse_jid("example.com/" + "ä" * 511).resource) == 511
    for text in (
        "a" * 1024 + "@example.com",
        "example.com/" + "ä" * 512,
        "a" * 64 + ".com",
        "a." * 512 + "com",
        "x" * 10_000_000,
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_jid(text)


def test_an_address_knows_its_bare_and_its_full_form() -> None:
    full = parse_jid("juliet@example.com/balcony")
    assert str(full) == "juliet@example.com/balcony"
    assert full.bare == "juliet@example.com"
    assert not full.is_bare
    assert full.to_bare() == parse_jid("juliet@example.com")
    assert full.to_bare().is_bare
    assert full.to_bare().with_resource("balcony") == full
    assert parse_jid("example.com").bare == "example.com"
    assert str(parse_jid("example.com/x")) == "example.com/x"


_ALPHABET = st.characters() | st.sampled_from("@/.[]%\u3002\u00ad\u0345ßİK-x")


@given(st.text(_ALPHABET))
def test_any_text_is_an_address_that_stays_the_same_or_a_value_error(text: str) -> None:
    try:
        jid = parse_jid(text)
    except ValueError:
        return
    assert parse_jid(str(jid)) == jid


@given(st.text(_ALPHABET, max_size=8))
def test_preparing_a_part_twice_changes_nothing(text: str) -> None:
    for prepare in (prepare_local, prepare_resource):
        try:
            once = prepare(text)
        except ValueError:
            continue
        assert prepare(once) == once


def test_a_domain_has_at_most_253_characters() -> None:
    """RFC 1035 §2.3.4, of ASCII too."""
    labels = ["a" * 62] * 4
    assert parse_jid(".".join(labels)).domain == ".".join(labels)
    for domain in (".".join([*labels, "bc"]), ".".join(["a" * 60] * 5), "a." * 500 + "a"):
        with pytest.raises(ValueError, match="domain"):
            parse_jid(f"ada@{domain}")
