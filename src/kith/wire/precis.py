"""The PRECIS profiles that addresses use (RFC 8265), with work that is linear in the length of a text.

Three of the rules for characters that depend on their context (RFC 5892, appendices A.7 to A.9) ask something
about the whole text, wherever the character stands. The library asks for each such character anew, so a text
of a few thousand of them takes it many seconds. Here it is asked once for each different character.
"""

from __future__ import annotations

import re

from precis_i18n.baseclass import FreeFormClass, IdentifierClass
from precis_i18n.profile import OpaqueString, Username
from precis_i18n.unicode import UnicodeData

#: Katakana middle dot, Arabic-Indic digits, Extended Arabic-Indic digits.
_ABOUT_THE_WHOLE = re.compile("[\u30fb\u0660-\u0669\u06f0-\u06f9]")
#: Allowed in every text, and in no script that the rules about neighbours ask for.
_NEUTRAL = "-"


def looks_around(text: str) -> int:
    """How many characters of a text are allowed or not depending on all the others."""
    return len(_ABOUT_THE_WHOLE.findall(text))


def _once_each(text: str) -> str:
    """A text in which each character with a rule about the whole text stands once.

    It is allowed exactly if ``text`` is: a neutral character takes the place of the repetitions, and no rule
    about neighbours (appendices A.1 to A.6) asks for either of them.
    """
    seen: set[str] = set()

    def keep_first(match: re.Match[str]) -> str:
        char = match[0]
        if char in seen:
            return _NEUTRAL
        seen.add(char)
        return char

    return _ABOUT_THE_WHOLE.sub(keep_first, text)


class _Identifiers(IdentifierClass):
    def enforce(self, value: str, codec_name: str | None = None) -> str:
        super().enforce(_once_each(value), codec_name)
        return value


class _FreeForm(FreeFormClass):
    def enforce(self, value: str, codec_name: str | None = None) -> str:
        super().enforce(_once_each(value), codec_name)
        return value


_UCD = UnicodeData()
_IDENTIFIERS, _FREE_FORM = _Identifiers(_UCD), _FreeForm(_UCD)


class _Username(Username):
    @property
    def base(self) -> _Identifiers:
        return _IDENTIFIERS


class _OpaqueString(OpaqueString):
    @property
    def base(self) -> _FreeForm:
        return _FREE_FORM


#: RFC 8265 §3.3.
USERNAME_CASE_MAPPED = _Username(_UCD, "UsernameCaseMapped", "lower")
#: RFC 8265 §4.2.
OPAQUE_STRING = _OpaqueString(_UCD, "OpaqueString")
