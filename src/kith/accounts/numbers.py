"""Parses phone numbers as people write them, into the form that addresses of accounts have (ITU-T E.164)."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from kith.base.numbers import canonical

#: The types of numbers that can have an account: those of people's own phones. A text message to others would
#: cost more (premium rate, shared cost, personal numbers), or nobody would read it (toll-free, pagers,
#: voicemail, companies).
_PERSONS = frozenset(
    (
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.VOIP,
    )
)
#: The region of numbers without a country: satellite phones, international networks and services.
_NO_COUNTRY = "001"
#: The maximum length of a text; longer ones are refused without parsing them.
MAX_TEXT = 40


class InvalidNumber(ValueError):
    """A text is not the number of a person's phone. The error's text says why, or what to do."""


def e164(text: str, country: str = "") -> str:
    """A number in E.164, like ``+491701234567``, from any usual notation. The notation makes no difference.

    ``country``: two letters (ISO 3166-1), for numbers without a country calling code. Raises InvalidNumber.
    """
    if len(text) > MAX_TEXT:
        raise InvalidNumber("too long for a phone number")
    stripped = text.strip()
    number = _parsed(stripped, country)
    if number is None and stripped.startswith("00"):
        number = _parsed("+" + stripped[2:], "")  # most countries' prefix, in a country that has another one
    if number is None:
        if not country and not stripped.startswith(("+", "00")):
            raise InvalidNumber("write it with the country's code, like +49 170 1234567")
        raise InvalidNumber("not the number of a phone that gets text messages")
    return number


def _parsed(text: str, country: str) -> str | None:
    """The parsed number; None if the text is not a number of a person's phone in that country."""
    try:
        number = phonenumbers.parse(text, country.upper() or None)
    except NumberParseException:
        return None
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    chosen = canonical(written)
    if _gets_messages(number) or (chosen != written and _gets_messages(phonenumbers.parse(chosen))):
        return chosen
    return None


def _gets_messages(number: PhoneNumber) -> bool:
    """Whether a number is of a type that gets messages."""
    return (
        phonenumbers.is_valid_number(number)
        and phonenumbers.number_type(number) in _PERSONS
        and phonenumbers.region_code_for_number(number) != _NO_COUNTRY
    )


def is_number(local: str) -> bool:
    """Whether the local part of an address is a phone number."""
    return local.startswith("+") and local[1:].isascii() and local[1:].isdecimal()


def shown(number: str) -> str:
    """A number in the notation for people: ``+49 170 1234567``."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
