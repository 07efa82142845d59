"""Faults: a source file with one small change each.

mutmut has most of the operators; its own runner sees no other process than its own, and leaves out what is
decorated. Not changed is what no test of behaviour can see: annotations, words for people (a text with a
space in it), log lines, assertions.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import libcst
from libcst import matchers
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

_NO_FAULT = matchers.OneOf(
    matchers.Annotation(),
    matchers.Assert(),
    matchers.Decorator(),
    matchers.Import(),
    matchers.ImportFrom(),
    matchers.Assign(targets=[matchers.AssignTarget(target=matchers.Name("__slots__"))]),
    matchers.If(test=matchers.Name("TYPE_CHECKING")),
    matchers.Call(func=matchers.OneOf(*map(matchers.Name, ("cast", "TypeVar", "isinstance", "len")))),
    matchers.Call(func=matchers.Attribute(attr=matchers.Name("get_logger"))),
)
_LOG_LINE = matchers.Call(
    func=matchers.Attribute(value=matchers.OneOf(*map(matchers.Name, ("logger", "log"))))
)
_STATEMENT = matchers.SimpleStatementLine(
    body=[matchers.Expr(value=matchers.OneOf(matchers.Call(), matchers.Await()))]
)
_SWAPPED = matchers.Comparison()


class Mutant(NamedTuple):
    """``source``: the whole file with the fault in it. ``line``: where it is in the file without."""

    path: Path
    line: int
    source: str
    change: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}\n{self.change}"


def mutants(path: Path, lines: Collection[int] | None = None) -> list[Mutant]:
    """All faults of a file, or those in some of its lines."""
    code = path.read_text()
    wrapper = MetadataWrapper(libcst.parse_module(code), unsafe_skip_copy=True)
    finder = _Finder()
    wrapper.visit(finder)
    found: dict[str, Mutant] = {}
    for line, node, other in finder.changes:
        if lines is not None and line not in lines:
            continue
        changed = wrapper.module.deep_replace(node, other)
        assert isinstance(changed, libcst.Module)
        source = changed.code
        if source == code or source in found:
            continue
        try:
            compile(source, str(path), "exec")
        except SyntaxError:
            continue
        found[source] = Mutant(path, line, source, _difference(code, source))
    return list(found.values())


class _Finder(libcst.CSTVisitor):
    """Collects nodes and what could stand in their places."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[int, libcst.CSTNode, libcst.CSTNode]] = []

    def on_visit(self, node: libcst.CSTNode) -> bool:
        if matchers.matches(node, _NO_FAULT):
            return False
        if isinstance(node, libcst.Param) and not isinstance(
            node.default, (type(None), libcst.Name, libcst.BaseNumber, libcst.BaseString)
        ):
            return False  # what it calls runs when the function is defined
        position = self.get_metadata(PositionProvider, node, None)
        if position is not None:
            self.changes += [(position.start.line, node, other) for other in _others(node)]
        return not matchers.matches(node, _LOG_LINE)


def _others(node: libcst.CSTNode) -> Iterator[libcst.CSTNode]:
    if isinstance(node, libcst.SimpleString) and " " in node.value:
        return
    if not matchers.matches(node, _LOG_LINE):
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                yield from operator(node)
    yield from _left_out(node)


def _left_out(node: libcst.CSTNode) -> Iterable[libcst.CSTNode]:
    """A statement that is not there; a condition that is the other way round; nothing returned."""
    if matchers.matches(node, _STATEMENT):
        assert isinstance(node, libcst.SimpleStatementLine)
        yield node.with_changes(body=[libcst.Pass()])
    if isinstance(node, (libcst.If, libcst.While)) and not isinstance(node.test, libcst.Comparison):
        test = node.test.with_changes(lpar=[libcst.LeftParen()], rpar=[libcst.RightParen()])
        yield node.with_changes(test=libcst.UnaryOperation(libcst.Not(), test))
    if isinstance(node, libcst.Return) and not matchers.matches(
        node, matchers.Return(value=None) | matchers.Return(value=matchers.Name("None"))
    ):
        yield node.with_changes(value=libcst.Name("None"))


def _difference(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
