"""Reads XML with expat, as the server does: a list of documents in a line, a list of trees in a line.

A tree is ``[name, namespace, {attribute: value}, [text or tree, …]]``, null for what is not well-formed or
may not be in a stream. The names of attributes in a namespace have it before them, with a space between.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from xml.parsers import expat

# Is in no document, so it divides names without doubt
SEPARATOR = "\x01"


class Restricted(Exception):
    """A comment, a processing instruction or a document type."""


def read(document: str) -> Any:
    parser = expat.ParserCreate("utf-8", SEPARATOR)
    parser.buffer_text = True
    stack: list[list[Any]] = [["", "", {}, []]]

    def start(name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(SEPARATOR)
        named = {key.replace(SEPARATOR, " "): value for key, value in attributes.items()}
        element = [local, namespace, named, []]
        stack[-1][3].append(element)
        stack.append(element)

    def refuse(*_: object) -> None:
        raise Restricted

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = lambda text: stack[-1][3].append(text)
    parser.CommentHandler = parser.ProcessingInstructionHandler = refuse
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, Restricted):
        return None
    return stack[0][3][0]


for line in sys.stdin:
    print(json.dumps([read(document) for document in json.loads(line)]), flush=True)
