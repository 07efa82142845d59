"""Patterns that texts of peers are checked with: none that lets a newline pass at the end."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src/kith"
_FUNCTIONS = frozenset(
    ("compile", "match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer")
)


def _is_pattern(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that are used as patterns: of ``re``, of msgspec's Meta, and in descriptions."""
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in _FUNCTIONS and node.args:
            yield node.args[0]
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "pattern")
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "pattern":
                yield value


def _texts(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def dollars(source: str) -> list[str]:
    """Patterns in which a $ stands that is neither escaped nor in a class of characters."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for expression in _is_pattern(node):
            for text in _texts(expression):
                rest = text.replace("\\\\", "").replace("\\$", "")
                if "$" in rest and not ("[" in rest and "]" in rest.partition("$")[2]):
                    found.append(text)
    return found


def test_no_pattern_ends_with_a_dollar_which_lets_a_newline_pass() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 100
    assert {path.name: found for path in files if (found := dollars(path.read_text()))} == {}


def test_such_a_pattern_would_be_found() -> None:
    for source in (
        "re.compile('^a$')",
        "re.match(rb'a$', text)",
        "Meta(pattern='^([0-9]{6})?$')",
        "Meta(pattern=f'^$|{UUID}')",
        "{'type': 'string', 'pattern': '^[0-9a-f]{16}$'}",
    ):
        assert dollars(source), source
    for source in ("re.compile(r'a\\Z')", "re.compile(r'\\$[a-z]+')", "re.compile('[$]')"):
        assert not dollars(source), source


def test_no_quantifier_of_a_group_is_possessive() -> None:
    """Python 3.11.2, Debian's, matches more with them than it should."""
    possessive = re.compile(r"(?<!\\)\)[*+?]\+")
    sources = {path.name: path.read_text() for path in SOURCE.rglob("*.py")}
    assert [name for name, source in sources.items() if possessive.search(source)] == []
    assert possessive.search("(?:a|b)*+")
