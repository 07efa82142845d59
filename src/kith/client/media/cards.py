"""Contact cards: vCard 4 (RFC 6350), written and read as far as messages need it."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"\\(.)")
_LONGEST = 200


def make(name: str, *, phone: str = "", jid: str = "", email: str = "") -> str:
    """A card. Other properties can be added by hand before ``END:VCARD``."""
    lines = ["BEGIN:VCARD", "VERSION:4.0", f"FN:{_escape(name)}"]
    if phone:
        lines.append(f"TEL;VALUE=uri:tel:{_plain(phone)}")
    if email:
        lines.append(f"EMAIL:{_escape(email)}")
    if jid:
        lines.append(f"IMPP:xmpp:{_plain(jid)}")
    return "\r\n".join([*lines, "END:VCARD", ""])


def is_card(text: str) -> bool:
    """Whether a text has the form of a card."""
    lines = text.strip().splitlines()
    return bool(lines) and lines[0].upper() == "BEGIN:VCARD" and lines[-1].upper() == "END:VCARD"


def name_of(card: str) -> str:
    """The name of the person; empty if there is none."""
    return next(iter(_values(card, "FN")), "")[:_LONGEST]


def numbers_of(card: str) -> list[str]:
    """The phone numbers."""
    return [value.removeprefix("tel:")[:_LONGEST] for value in _values(card, "TEL")]


def text_of(card: str) -> str:
    """The card as text, for apps that know no cards: name and numbers, or other addresses."""
    others = [
        value.removeprefix("xmpp:")[:_LONGEST] for name in ("IMPP", "EMAIL") for value in _values(card, name)
    ]
    found = [name_of(card), *(numbers_of(card) or others)[:5]]
    return "\n".join(part for part in found if part) or "Contact"


def _values(card: str, name: str) -> list[str]:
    """The values of a property, in order. Folded lines are joined (RFC 6350 §3.2)."""
    found = []
    for line in re.sub(r"\r?\n[ \t]", "", card).splitlines():
        head, colon, value = line.partition(":")
        property = head.partition(";")[0].rpartition(".")[2]
        if colon and property.upper() == name:
            found.append(_ESCAPED.sub(lambda at: "\n" if at[1] in "nN" else at[1], value).strip())
    return found


def _escape(text: str) -> str:
    return re.sub(r"([\\,;])", r"\\\1", text).replace("\r", "").replace("\n", "\\n")


def _plain(text: str) -> str:
    return re.sub(r"[\s\\,;]", "", text)
