"""Phone numbers as people write them, in the one form that accounts are named by (ITU-T E.164)."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from kith.base.numbers import canonical

#: What a person's own phone has. No others get a message: they cost the sender more (premium rate, shared
#: cost, personal numbers), or nobody reads it there (toll-free, pagers, voicemail, numbers of companies).
_PERSONS = frozenset(
    (
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.VOIP,
    )
)
#: The region of numbers that are of no country: satellite phones, international networks and services.
_NO_COUNTRY = "001"
#: Longer texts are not looked at.
MAX_TEXT = 40


class InvalidNumber(ValueError):
    """No phone number that a person could have; the text says what to do."""


def e164(text: str, country: str = "") -> str:
    """``+491701234567`` for a number in any usual notation; the same for all that mean one phone.

    ``country``: two letters (ISO 3166-1), for numbers that are written without their country's code.
    Raises InvalidNumber.
    """
    if len(text) > MAX_TEXT:
        raise InvalidNumber("too long for a phone number")
    stripped = text.strip()
    number = _parsed(stripped, country)
    if number is None and stripped.startswith("00"):
        number = _parsed("+" + stripped[2:], "")  # the usual prefix, in a country that has another
    if number is None:
        if not country and not stripped.startswith(("+", "00")):
            raise InvalidNumber("write it with the country's code, like +49 170 1234567")
        raise InvalidNumber("not the number of a phone that gets text messages")
    return number


def _parsed(text: str, country: str) -> str | None:
    """The number of an account; None if the text is none in that country, or no person's."""
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
    """Whether it is a person's phone, which messages to cost no more than to others."""
    return (
        phonenumbers.is_valid_number(number)
        and phonenumbers.number_type(number) in _PERSONS
        and phonenumbers.region_code_for_number(number) != _NO_COUNTRY
    )


def is_number(local: str) -> bool:
    """Whether the local part of an address is a phone number's."""
    return local.startswith("+") and local[1:].isascii() and local[1:].isdecimal()


def shown(number: str) -> str:
    """For people: ``+49 170 1234567``."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
