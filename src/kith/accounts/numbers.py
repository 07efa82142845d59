"""Phone numbers as people write them, in the one form that accounts are named by (ITU-T E.164)."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

#: Numbers that cost the sender of a message more, or that no person answers.
_REFUSED = frozenset(
    (
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.UAN,
        PhoneNumberType.PAGER,
        PhoneNumberType.VOICEMAIL,
    )
)
#: Longer texts are not looked at.
MAX_TEXT = 40


class InvalidNumber(ValueError):
    """No phone number that a person could have; the text says what to do."""


def e164(text: str, country: str = "") -> str:
    """``+491701234567`` for a number in any usual notation.

    ``country``: two letters (ISO 3166-1), for numbers that are written without their country's code.
    Raises InvalidNumber.
    """
    if len(text) > MAX_TEXT:
        raise InvalidNumber("too long for a phone number")
    stripped = text.strip()
    if not country and stripped.startswith("00"):
        stripped = "+" + stripped[2:]  # the usual prefix where nothing is known of the country
    try:
        number = phonenumbers.parse(stripped, country.upper() or None)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            raise InvalidNumber("write it with the country's code, like +49 170 1234567") from None
        raise InvalidNumber("not a phone number") from None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) in _REFUSED:
        raise InvalidNumber("not the number of a phone that gets text messages")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def is_number(local: str) -> bool:
    """Whether the local part of an address is a phone number's."""
    return local.startswith("+") and local[1:].isascii() and local[1:].isdecimal()


def shown(number: str) -> str:
    """For people: ``+49 170 1234567``."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
