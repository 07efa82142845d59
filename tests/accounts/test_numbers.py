"""Which account a text means, and who gets no code: `numbers.json`, for the web app's tests as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from kith.accounts.numbers import InvalidNumber, e164
from kith.base.numbers import canonical

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "numbers.json").read_text())["numbers"]
PERSONS = (
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.VOIP,
)


def read(text: str, country: str) -> str | None:
    try:
        return e164(text, country)
    except InvalidNumber:
        return None


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one['country']} {one['text']}".strip())
def test_a_number_is_one_account_however_it_is_written(example: dict[str, Any]) -> None:
    assert read(example["text"], example["country"]) == example["account"]


@pytest.mark.parametrize("account", sorted({one["account"] for one in EXAMPLES if one["account"]}))
def test_the_number_of_an_account_stays_as_it_is(account: str) -> None:
    assert canonical(account) == account
    assert e164(account) == account


@pytest.mark.parametrize(
    "text", ["ada", "+", "+52155123456789", "+5411234567", "+52\u0661\u0662" + "1" * 9, ""]
)
def test_what_is_no_such_number_stays_as_it_is(text: str) -> None:
    assert canonical(text) == text


def kinds() -> list[tuple[str, int, str]]:
    """An example of each type of number in each region that has one."""
    types = [one for one in PhoneNumberType.values() if one != PhoneNumberType.UNKNOWN]
    found = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for type in types:
            number = phonenumbers.example_number_for_type(region, type)
            if number is not None and phonenumbers.number_type(number) == type:
                found.append((region, type, phonenumbers.format_number(number, 0)))
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        number = phonenumbers.example_number_for_non_geo_entity(code)
        assert number is not None
        found.append(("001", PhoneNumberType.UNKNOWN, phonenumbers.format_number(number, 0)))
    return found


def test_only_numbers_of_peoples_phones_get_codes_in_any_country() -> None:
    wrong = [
        (region, type, number)
        for region, type, number in kinds()
        if (read(number, "") is not None) != (type in PERSONS)
    ]
    assert wrong == []
