"""Keys are found in whatever XML a client sends, in a time that grows with its length alone."""

from __future__ import annotations

import time

import pytest

from kith.groups.keys import keys_in, split

_MANY = 10_000


@pytest.mark.parametrize(
    "hostile",
    [
        "<key " + "".join(f"a{n}-rid='1' " for n in range(_MANY)) + "><b/></key>",
        "<key " + "".join(f"a{n}:rid='1' " for n in range(_MANY)) + "/>",
        '<key a="' + " rid='1'" * _MANY + '"><b/></key>',
        "<key rid='1'>" * _MANY,
        "<key rid='1' " * _MANY,
        "<key " + " rid=" * 4 * _MANY,
    ],
)
def test_no_xml_is_searched_again_and_again(hostile: str) -> None:
    data = hostile.encode()
    before = time.process_time()
    keys_in(data)
    assert time.process_time() - before < 0.5


def test_only_the_attribute_itself_names_the_device() -> None:
    data = (
        b"<key a-rid='5' rid='7'>x</key><key rid='8' prekey='true'>y</key><key xrid='9'>z</key><keys rid='1'>"
    )
    assert [device for device, _ in keys_in(data)] == [7, 8]


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("before", ["", " a='b'"])
def test_own_keys_alone_whichever_quotes_a_client_writes(quote: str, before: str) -> None:
    xml = (
        f"<body>x</body><encrypted{before} xmlns='eu.siacs.conversations.axolotl'><header sid='1'>"
        "<key rid='7'>mine</key><key prekey='true' rid='8'>yours</key><iv>i</iv></header>"
        "<payload>p</payload></encrypted>"
    )
    content, own = split(xml.replace("'", quote).encode(), {7: [70], 8: [80]}, 0)
    assert b"<key" not in content
    assert b"mine" in own[70]
    assert b"yours" not in own[70]
    assert b"yours" in own[80]
    assert b"mine" not in own[80]
    other = xml.replace("eu.siacs.conversations.axolotl", "other").encode()
    assert split(other, {7: [70], 8: [80]}, 0) == (other, {})
