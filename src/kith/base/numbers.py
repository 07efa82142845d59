"""Facts about phone numbers: their country, and one way to write those that can be written in two.

Two countries write mobile numbers with a digit that others leave out, and both ways stand in address books:

- Mexico had a 1 after +52 for mobile numbers until 2019, and prefixes for calls within the country.
  The account has ten digits after +52.
- Argentina has a 9 after +54 when a mobile number is called from abroad, and none when the same number is
  written as it is dialled at home. The account has the 9, which text messages need.

The same rules stand in the web app; `tests/accounts/numbers.json` has examples for both.
"""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import NumberParseException

_MEXICO = re.compile(r"\+52(?:1|01|044|045)(\d{10})", re.ASCII)
_ARGENTINA = re.compile(r"\+54([1-3]\d{9})", re.ASCII)


def canonical(number: str) -> str:
    """The number (E.164) that the account has; any other text as it is."""
    if found := _MEXICO.fullmatch(number):
        return f"+52{found[1]}"
    if found := _ARGENTINA.fullmatch(number):
        return f"+549{found[1]}"
    return number


def country_of(number: str) -> str:
    """The country of a number in E.164: two letters (ISO 3166-1), or ``ZZ`` if it has none."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or "ZZ"
    except NumberParseException:
        return "ZZ"


_MEXICO_START = re.compile(r"\+52(?:1|01|044|045)(?=\d|\Z)", re.ASCII)
_ARGENTINA_START = re.compile(r"\+54(?=[1-3])", re.ASCII)


def canonical_prefix(prefix: str) -> str:
    """The beginning of a number (E.164), as the numbers of accounts begin (`canonical`)."""
    return _ARGENTINA_START.sub("+549", _MEXICO_START.sub("+52", prefix))
