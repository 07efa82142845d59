"""Plants a fault in the modules that are loaded already, so that no process has to import everything again.

A function keeps its identity and gets other code; a constant is replaced wherever it was imported. What is
neither, such as the body of a class, can't be done here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

_TESTS = Path(__file__).parents[1]
_PLAIN = (bool, bytes, float, frozenset, int, str, tuple)


class NotHere(Exception):
    """The fault is in something that a running program does not look at again."""


def plant(module: ModuleType, source: str) -> None:
    """Makes a module behave as its changed ``source`` says. Raises NotHere, and then nothing has changed."""
    assert module.__file__ is not None
    with open(module.__file__) as file:
        before, after = (compile(text, module.__file__, "exec") for text in (file.read(), source))
    changed = _changed(before, after)
    if changed:
        for function, code in [(_function(module, one.co_qualname), one) for one in changed]:
            function.__code__ = code
    else:
        _replace_constants(module, after)


def _changed(before: CodeType, after: CodeType) -> list[CodeType]:
    """The outermost functions that differ. Raises NotHere if what is around them differs, too."""
    found: list[CodeType] = []
    inner = [[one for one in code.co_consts if isinstance(one, CodeType)] for code in (before, after)]
    if len(inner[0]) != len(inner[1]):
        raise NotHere
    for one, other in zip(*inner, strict=True):
        if one == other:
            continue
        if other.co_flags & 0x02:  # CO_NEWLOCALS: a function
            found.append(other)
        else:
            found += _changed(one, other)
    if found and not _same_but_for_inner(before, after):
        raise NotHere
    if not found and before.co_name != "<module>":
        raise NotHere
    return found


def _same_but_for_inner(before: CodeType, after: CodeType) -> bool:
    rest = [[one for one in code.co_consts if not isinstance(one, CodeType)] for code in (before, after)]
    return before.co_code == after.co_code and rest[0] == rest[1] and before.co_names == after.co_names


def _function(module: ModuleType, name: str) -> FunctionType:
    """Behind decorators, properties and class methods."""
    found: Any = module
    for part in name.split("."):
        found = vars(found).get(part)
        if found is None:
            raise NotHere
    for wrapper in ("fget", "func", "__func__", "__wrapped__"):
        found = getattr(found, wrapper, None) or found
    if not isinstance(found, FunctionType) or found.__qualname__ != name:
        raise NotHere
    return found


def _replace_constants(module: ModuleType, code: CodeType) -> None:
    fresh = {"__name__": module.__name__, "__file__": module.__file__, "__package__": module.__package__}
    exec(code, fresh)
    different = []
    for name, value in fresh.items():
        old = vars(module).get(name)
        if isinstance(value, (*_PLAIN, type(None))) and isinstance(old, _PLAIN) and old != value:
            different.append((name, old, value))
    if not different:
        raise NotHere
    for name, old, value in different:
        for other in list(_modules()):
            if vars(other).get(name) is old:
                setattr(other, name, value)


def _modules() -> Iterator[ModuleType]:
    """Those of the server and of its tests."""
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None) or ""
        if name.partition(".")[0] == "kith" or file.startswith(str(_TESTS)):
            yield module
