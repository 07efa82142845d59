"""What Python takes for a number is more than what XMPP does."""

from __future__ import annotations

import pytest

from kith.wire.digits import integer, natural


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "+1",
        "1_0",
        "0x1",
        "1.0",
        "1e3",
        "\u0661",
        "\uff11",
        "\u00b2",
        "1 0",
        "\u00a01",
        "1\x0c",
    ],
)
def test_only_digits_of_ascii_are_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        natural(text)


def test_white_space_and_zeros_stand_before_a_number_and_no_number_is_too_great() -> None:
    assert (natural(" 7\n"), natural("0007"), natural("0"), natural("000")) == (7, 7, 0, 0)
    assert natural("9" * 100_000) == natural("1" * 19) == 10**18 - 1


@pytest.mark.parametrize("text", ["", "1_0", "\u0661", "--1", "1.5", "9" * 10, "\uff0d1"])
def test_a_number_with_a_sign_has_few_digits_of_ascii(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        integer(text)
    assert (integer("-128"), integer("+5"), integer(" 7 ")) == (-128, 5, 7)
