"""Nothing that somebody else has written is obeyed by a terminal, wherever it is printed."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kith import journal
from kith.console import SafeConsole, plain_markup
from kith.terminal import one_line, safe

SOURCES = Path(__file__).parents[1] / "src" / "kith"
#: What terminals obey, or what makes letters look like others.
HOSTILE = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;ZXZpbA==\x1b\\",
    "c1 csi": "\x9b31m",
    "c1 osc": "\x9d0;owned\x9c",
    "carriage return": "balance: 100\rbalance: 999",
    "backspace": "evil\b\b\b\bgood",
    "bell": "\x07",
    "form feed": "\x0c",
    "right to left override": "moc.elpmaxe\u202e",
    "isolate": "\u2066x\u2069",
    "marks": "\u200e\u200f\u061c",
    "line separator": "a\u2028b\u2029c\x85d",
    "tags": "a\U000e0041\U000e007f",
    "zero width": "a\u200bb\ufeffc\u2060",
    "markup": "[red]x[/red] [@click=app.quit]y[/] :bomb:",
}
OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@given(st.text())
def test_what_is_made_safe_has_nothing_that_a_terminal_obeys(text: str) -> None:
    assert not OBEYED.search(safe(text))
    assert not OBEYED.search(one_line(text))
    assert "\n" not in one_line(text)
    safe(text).encode()
    assert safe(safe(text)) == safe(text)


@pytest.mark.parametrize(
    "text",
    [
        "grüße, 世界 👩‍👩‍👧",
        "שלום",
        "a\nb",
        "naïve",
        "ا\u200cب",
        "क्षत्रिय น้ำ བསྒྲུབས་ កម្ពុជា",
        "🧑🏽‍❤️‍💋‍🧑🏿 👩🏻‍🦽‍➡️",
        "בְּרֵאשִׁ֖ית",
        "Việt",
    ],
)
def test_honest_text_is_left_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_a_letter_bears_no_tower_of_marks() -> None:
    assert len(safe("a" + "\u0301" * 100)) < 10
    for joined in ("\u20dd", "\u0488", "\u034f", "\u200d", "\u200c", "\ufe0f", "\u0e31", "\u0301\u20dd"):
        assert len(safe("a" + joined * 1000)) < 20, joined


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_console_prints_the_escapes_of_rich_and_no_others(hostile: str) -> None:
    for markup in (False, True):
        text = plain_markup(hostile) if markup else hostile
        out = io.StringIO()
        console = SafeConsole(file=out, markup=markup, force_terminal=True, width=60)
        table = Table(title=text)
        table.add_column(text)
        table.add_row(text)
        console.print(f"[bold]{text}[/bold]" if markup else text, style="red")
        console.print(table)
        console.print(Panel.fit(text, title=Text(one_line(hostile))))
        printed = re.sub("\x1b\\[[0-9;]*m", "", out.getvalue())
        assert not OBEYED.search(printed.replace("\n", "")), printed
        if "[red]" in hostile:
            assert printed.count("[red]") >= 2
            assert "\x1b[31mx" not in out.getvalue()
            assert "💣" not in printed


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_log_has_one_line_for_each_event_and_no_escapes(hostile: str) -> None:
    event = journal.discreet(None, "info", {"event": hostile, "peer": hostile, "all": [hostile]})
    for value in (event["event"], event["peer"], *event["all"]):
        assert not OBEYED.search(value)
        assert "\n" not in value


def test_everything_is_printed_by_the_functions_that_make_it_safe() -> None:
    """Any other way to a terminal is found here, in whatever is written later as well."""
    wrong = []
    for file in SOURCES.rglob("*.py"):
        if file.name in ("terminal.py", "console.py") and file.parent == SOURCES:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("print", "rich.print", "typer.echo", "typer.secho", "click.echo", "Console"):
                wrong.append(f"{file.relative_to(SOURCES)}:{node.lineno}: {called}")
            if called in ("sys.stdout.write", "sys.stderr.write"):
                wrong.append(f"{file.relative_to(SOURCES)}:{node.lineno}: {called}")
            unsafe = called.endswith(".notify") and not any(word.arg == "markup" for word in node.keywords)
            constant = bool(node.args) and isinstance(node.args[0], ast.Constant)
            if unsafe and "tui" in file.parts and not constant:
                wrong.append(f"{file.relative_to(SOURCES)}:{node.lineno}: notify with markup")
    assert not wrong
