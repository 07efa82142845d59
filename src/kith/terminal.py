"""Makes text that somebody else wrote safe to print to a terminal.

A terminal obeys escape sequences wherever they come from: they move the cursor, change the title, write to
the clipboard. Unicode's bidirectional controls reorder letters, so that one name can look like another. So
all text from others (messages, names, errors of servers, log lines) passes through here before it is printed.
This module imports nothing of the server or the client, so that both can use it.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import Final, TextIO

#: The longest nickname that is shown, in characters.
NICKNAME: Final = 40

#: C0 and C1 except newline and tab, DEL, line and paragraph separators, bidi controls, and characters
#: without width that hide or join others; and halves of surrogate pairs, which no terminal can be sent.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
#: The maximum number of combining marks on one letter; more of them cover the lines above ("zalgo text"), and
#: of all characters that join a letter (vowel signs, enclosing marks, joiners between emoji).
_MAX_MARKS = 4
_MAX_JOINED = 8
_JOINERS = "\u034f\u200c\u200d"


def safe(text: str) -> str:
    """The text with harmful characters replaced by the replacement character. Line breaks are kept.

    Tabs become spaces, since their width depends on the terminal.
    """
    text = _LINE_ENDS.sub("\n", text).replace("\t", "    ")
    return _fewer_marks(_HARMFUL.sub("\N{REPLACEMENT CHARACTER}", text))


def one_line(text: str, most: int = 0) -> str:
    """The text on one line, for names, previews and titles. Harmful characters are left out.

    ``most``: the maximum length in characters, including an ellipsis; 0 means no limit.
    """
    text = _HARMFUL.sub("", _LINE_ENDS.sub(" ", text))
    text = " ".join(_fewer_marks(text).split())
    return text if not most or len(text) <= most else text[: most - 1] + "…"


def say(text: str, file: TextIO | None = None) -> None:
    """Prints a text, made safe, by default to standard output."""
    print(safe(text), file=file or sys.stdout, flush=True)


def _fewer_marks(text: str) -> str:
    if text.isascii():
        return text
    kept, marks, joined = [], 0, 0
    for character in text:
        if character not in _JOINERS and unicodedata.category(character)[0] != "M":
            marks = joined = 0
        else:
            marks += unicodedata.combining(character) > 0
            joined += 1
        if marks <= _MAX_MARKS and joined <= _MAX_JOINED:
            kept.append(character)
    return "".join(kept)
