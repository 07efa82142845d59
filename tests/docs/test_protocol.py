"""`docs/protocol.md` tells the truth: what it names is there, and what is there it names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import RunningServer
from tests.features.slix import befriend, connected
from tests.raw import RawClient, online

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
SOURCE, TESTS = ROOT / "src" / "kith", ROOT / "tests"
STANDARD = re.compile(r"\b(?:XEP-\d{4}|RFC \d{4})\b")
PATH = re.compile(r"`([\w*]+(?:/[\w*.]*)+)`")
#: The rooms in which the server answers for a standard.
ROOMS = ("features", "core", "federation", "edge", "wire", "accounts", "groups", "status")
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
#: Which standard a namespace is of, by how it begins; the longest beginning counts.
NAMESPACES = {
    "http://jabber.org/protocol/disco": "XEP-0030",
    "http://jabber.org/protocol/caps": "XEP-0115",
    "http://jabber.org/protocol/commands": "XEP-0050",
    "http://jabber.org/protocol/pubsub": "XEP-0060",
    "http://jabber.org/protocol/rsm": "XEP-0059",
    "jabber:iq:last": "XEP-0012",
    "jabber:iq:private": "XEP-0049",
    "jabber:iq:register": "XEP-0077",
    "jabber:iq:roster": "RFC 6121",
    "jabber:iq:version": "XEP-0092",
    "msgoffline": "XEP-0160",
    "urn:ietf:params:xml:ns:vcard-4.0": "XEP-0292",
    "urn:kith:groups": "XEP-0045",
    "urn:kith:status": "XEP-0384",
    "urn:xmpp:blocking": "XEP-0191",
    "urn:xmpp:bookmarks:1": "XEP-0402",
    "urn:xmpp:carbons": "XEP-0280",
    "urn:xmpp:extdisco": "XEP-0215",
    "urn:xmpp:hints": "XEP-0334",
    "urn:xmpp:mam:2": "XEP-0313",
    "urn:xmpp:message-retract:1": "XEP-0424",
    "urn:xmpp:pep-vcard-conversion": "XEP-0398",
    "urn:xmpp:ping": "XEP-0199",
    "urn:xmpp:push": "XEP-0357",
    "urn:xmpp:reporting": "XEP-0377",
    "urn:xmpp:sid": "XEP-0359",
    "urn:xmpp:time": "XEP-0202",
    "vcard-temp": "XEP-0054",
}


class Row(NamedTuple):
    """Of the table: the standards, and the paths of code and tests as they are written."""

    text: str
    standards: frozenset[str]
    code: tuple[str, ...]
    tests: tuple[str, ...]


def rows() -> list[Row]:
    found = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and STANDARD.search(cells[0]):
            name, _, code, tests = cells
            found.append(
                Row(
                    name,
                    frozenset(STANDARD.findall(name)),
                    tuple(PATH.findall(code)),
                    tuple(PATH.findall(tests)),
                )
            )
    return found


ROWS = rows()
STANDARDS = frozenset(standard for row in ROWS for standard in row.standards)


def files(folder: Path, paths: tuple[str, ...]) -> Iterator[Path]:
    """The Python files that paths of the table stand for."""
    for path in paths:
        for found in folder.glob(path.rstrip("/")):
            yield from found.rglob("*.py") if found.is_dir() else [found]


def modules() -> list[Path]:
    return [path for room in ROOMS for path in sorted((SOURCE / room).rglob("*.py"))]


def purpose(path: Path) -> str:
    """The first paragraph of a file: what it is for."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]


def docstrings(path: Path) -> str:
    """All of a file."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    return "\n".join(ast.get_docstring(node) or "" for node in nodes)


def test_the_table_was_found() -> None:
    assert len(ROWS) > 50
    assert len(re.findall(r"^\| (?:XEP|RFC)", PAGE, re.MULTILINE)) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.text[:40])
def test_a_row_names_code_and_tests_that_there_are(row: Row) -> None:
    assert row.code, "no code"
    assert row.tests, "no test"
    for folder, paths in ((SOURCE, row.code), (TESTS, row.tests)):
        for path in paths:
            assert list(folder.glob(path.rstrip("/"))), path
    for path in row.tests:
        texts = [file.read_text() for file in files(TESTS, (path,)) if file.name.startswith("test_")]
        assert any(re.search(r"^(?:async )?def test_", text, re.MULTILINE) for text in texts), path


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_that_answers_for_a_standard_has_a_row(path: Path) -> None:
    """What a file says that it is for, a row has, and one of those rows names the file."""
    named = set(STANDARD.findall(purpose(path)))
    if path.name == "__init__.py" or not named:
        return
    assert named <= STANDARDS
    assert [row.text for row in ROWS if row.standards & named and path in files(SOURCE, row.code)]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_standard_that_is_named_anywhere_is_in_the_table(path: Path) -> None:
    assert set(STANDARD.findall(docstrings(path))) <= STANDARDS


def test_what_the_compliance_suites_ask_for_is_there_or_said_to_be_missing() -> None:
    section = PAGE.partition("## The compliance suites")[2].partition("\n## ")[0]
    lines = [
        line for line in section.splitlines() if (line.startswith("|") and "XEP" in line) or "RFC" in line
    ]
    assert len(lines) > 10
    for line in lines:
        _, asked, _, where = (cell.strip() for cell in line.strip("|").split("|"))
        if where == "here":
            assert set(STANDARD.findall(asked)) <= STANDARDS, line
        else:
            assert "not" in where or "no BOSH" in where, line


def standard_of(namespace: str) -> str:
    fitting = [beginning for beginning in NAMESPACES if namespace.startswith(beginning)]
    return NAMESPACES[max(fitting, key=len)] if fitting else f"nothing explains {namespace}"


async def announced(client: RawClient, to: str | None) -> list[str]:
    answer = await client.iq("get", INFO, to)
    return [e.get("var", "") for e in answer[0] if e.tag.endswith("}feature")]


async def test_what_the_server_announces_a_row_explains(server: RunningServer) -> None:
    ada, ben = server.add_user("ada"), server.add_user("ben")
    async with connected(server.port, ada) as one, connected(server.port, ben) as other:
        await befriend(one, other)
    client = await online(server.port, "ada")
    for to in ("localhost", None, ben, "pubsub.localhost"):
        found = await announced(client, to)
        assert len(found) > 5
        assert {standard_of(namespace) for namespace in found} <= STANDARDS, to
    client.abort()


def test_every_feature_is_in_the_table() -> None:
    named = {path for row in ROWS for path in files(SOURCE, row.code)}
    features = {path for path in (SOURCE / "features").glob("*.py") if path.name != "__init__.py"}
    assert not {path.name for path in features - named}
