"""The PRECIS profiles for addresses (RFC 8265), in linear time.

Three of the contextual rules (RFC 5892, appendices A.7 to A.9) depend on the whole text, wherever the
character stands. The library applies them to each such character again, so a text with a few thousand of
them takes many seconds. Here, repetitions of such characters are removed before the library sees the text.
"""

from __future__ import annotations

import re

from precis_i18n.baseclass import FreeFormClass, IdentifierClass
from precis_i18n.profile import OpaqueString, Username
from precis_i18n.unicode import UnicodeData

#: The characters with such rules: Katakana middle dot, Arabic-Indic and Extended Arabic-Indic digits.
_ABOUT_THE_WHOLE = re.compile("[\u30fb\u0660-\u0669\u06f0-\u06f9]")
#: A character that is allowed in every text, and that no rule about neighbours refers to.
_NEUTRAL = "-"


def looks_around(text: str) -> int:
    """How many characters of a text have rules that depend on the whole text."""
    return len(_ABOUT_THE_WHOLE.findall(text))


def _once_each(text: str) -> str:
    """The text with repetitions of such characters replaced by a neutral one.

    It is valid if and only if ``text`` is, since no rule about neighbours (appendices A.1 to A.6) refers to
    the removed characters or the neutral one.
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


#: The profile for local parts (RFC 8265 §3.3).
USERNAME_CASE_MAPPED = _Username(_UCD, "UsernameCaseMapped", "lower")
#: The profile for resources (RFC 8265 §4.2).
OPAQUE_STRING = _OpaqueString(_UCD, "OpaqueString")
