"""Files of Prosody's own storage are read as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.moving.prosody import with_stores
from kith.moving.reading import HostOpened, Part, UserClosed, UserOpened


def parts(folder: Path, store: str, text: str) -> tuple[list[Part], list[str]]:
    file = folder / "x%2eexample" / store / f"a%2db.{'dat' if store == 'blocklist' else 'list'}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    problems: list[str] = []
    found = [HostOpened("x.example"), UserOpened("a-b", None), UserClosed()]
    events = with_stores(found, folder, lambda _, reason: problems.append(reason))
    return [event for event in events if isinstance(event, Part)], problems


def test_block_lists_and_messages_are_read(tmp_path: Path) -> None:
    text = (
        'return {\n\t[false] = {\n\t\t["created"] = 1;\n\t};\n'
        '\t["a@x.example"] = true;\n\t["b.example"] = 17.5;\n};\n'
    )
    blocked, problems = parts(tmp_path, "blocklist", text)
    assert [part.element.get("jid") for part in blocked if part.element is not None] == [
        "a@x.example",
        "b.example",
    ]
    message = (
        'item({\n{\n"say \\"hi\\"\\\nthere \\195\\182 ö";\n["name"] = "body";["attr"] = {};};\n'
        '["name"] = "message";'
        '["attr"] = {["from"] = "c@x.example/r";["stamp"] = "2024-05-01T10:00:00Z";'
        '["xml:lang"] = "en";};});\n'
    )
    found, problems = parts(tmp_path, "offline", message * 2)
    assert not problems
    waiting = found[-1]
    assert len(found) == 4
    assert waiting.element is not None
    assert waiting.element.get("from") == "c@x.example/r"
    assert (waiting.element.findtext("{jabber:client}body") or "") == 'say "hi"\nthere ö ö'
    assert waiting.element.find("{urn:xmpp:delay}delay") is not None


@pytest.mark.parametrize(
    "text",
    [
        "os.execute('x')",
        "return {",
        "return { [{}] = 1 }",
        "return " + "{" * 500,
        "return { x = y }",
        'return { ["\\255"] = true }',
        "\\",
    ],
)
def test_what_is_no_data_is_told(tmp_path: Path, text: str) -> None:
    found, problems = parts(tmp_path, "blocklist", text)
    assert not found
    assert len(problems) == 1
