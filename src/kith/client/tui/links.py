"""Makes the addresses of web pages in a text clickable, in terminals that can do that (OSC 8)."""

from __future__ import annotations

import re

from rich.style import Style
from rich.text import Text

#: What ends a sentence or stands in brackets around an address does not belong to it.
_URL = re.compile(r"https?://[^\s<>\"'`\u201c\u201d]+[^\s<>\"'`\u201c\u201d.,;:!?)\]}]")


def link_pages(text: Text) -> None:
    """Links each address in the text to itself, and underlines it. What is shown is what is opened."""
    for found in _URL.finditer(text.plain):
        text.stylize(Style(link=found.group(), underline=True), found.start(), found.end())
