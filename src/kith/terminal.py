"""Text of others for a terminal: what they write can be read, and can do nothing.

A terminal obeys escape sequences wherever they come from: they move the cursor, change the title, write to
the clipboard. Unicode's bidirectional controls turn letters around, so that a name looks like another. All
that prints text which somebody else chose (a message, a name, a device, an error of a server, a log line)
passes it through here. It uses nothing of the server or the client, so that both can use it.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import Final, TextIO

#: The longest nickname that is shown, in characters.
NICKNAME: Final = 40

#: C0 and C1 but for newline and tab, DEL, line and paragraph separators, bidi controls, and characters
#: without width that hide or join others; and halves of surrogate pairs, which no terminal can be sent.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
#: So many marks above one letter; more climb over the lines above ("zalgo"). Of all that joins a letter
#: (vowel signs, circles around it, joiners between emoji) a few more: some scripts stack several.
_MOST_MARKS = 4
_MOST_JOINED = 8
_JOINERS = "\u034f\u200c\u200d"


def safe(text: str) -> str:
    """Its lines as they are, but for what a terminal would obey, which becomes the replacement character.

    Tabs become spaces, since nobody knows how wide they are.
    """
    text = _LINE_ENDS.sub("\n", text).replace("\t", "    ")
    return _fewer_marks(_HARMFUL.sub("\N{REPLACEMENT CHARACTER}", text))


def one_line(text: str, most: int = 0) -> str:
    """The same on one line, without runs of spaces, for names, previews and titles.

    What would be shown as a replacement is left out here. ``most``: characters, with an ellipsis; 0: all.
    """
    text = _HARMFUL.sub("", _LINE_ENDS.sub(" ", text))
    text = " ".join(_fewer_marks(text).split())
    return text if not most or len(text) <= most else text[: most - 1] + "…"


def say(text: str, file: TextIO | None = None) -> None:
    """Prints it, by default to standard output."""
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
        if marks <= _MOST_MARKS and joined <= _MOST_JOINED:
            kept.append(character)
    return "".join(kept)
