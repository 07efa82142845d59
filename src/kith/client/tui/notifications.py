"""Desktop notifications by the terminal: OSC 9 or OSC 777."""

from __future__ import annotations

from collections.abc import Mapping

from kith.terminal import one_line

_LONGEST = 120
#: Terminals that know OSC 9 (a text); others that notify at all know OSC 777 (a title and a text).
_OSC_9 = frozenset({"iTerm.app", "WezTerm", "ghostty", "vscode", "Windows_Terminal"})


def notification(title: str, text: str, environ: Mapping[str, str]) -> str:
    """The escape sequence for a notification. Terminals that don't know it ignore it.

    Title and text may be anybody's: control characters are left out, and so are semicolons, which separate
    the two. Empty within tmux and screen, which don't pass such sequences on, and if KITH_NOTIFY is ``off``.
    """
    inside = environ.get("TERM", "").startswith(("screen", "tmux")) or "TMUX" in environ
    if inside or environ.get("KITH_NOTIFY", "on") == "off":
        return ""
    title, text = (one_line(part, _LONGEST).replace(";", ",") for part in (title, text))
    if environ.get("TERM_PROGRAM") in _OSC_9 or "WT_SESSION" in environ:
        return f"\x1b]9;{title}: {text}\x07"
    return f"\x1b]777;notify;{title};{text}\x07"
