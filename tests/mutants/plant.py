"""Plants a fault in a module that is loaded already, so that no process has to import everything again.

A function keeps its identity and gets other code. What is around functions runs when a module is imported,
and much may have been made of it: such a fault can't be planted here.
"""

from __future__ import annotations

from types import CodeType, FunctionType, ModuleType
from typing import Any


class NotHere(Exception):
    """The fault is in something that a running program does not look at again."""


def plant(module: ModuleType, source: str) -> None:
    """Makes a module behave as its changed ``source`` says. Raises NotHere, and then nothing has changed."""
    assert module.__file__ is not None
    with open(module.__file__) as file:
        before, after = (compile(text, module.__file__, "exec") for text in (file.read(), source))
    changed = _changed(before, after)
    if not changed:
        raise NotHere
    for function, code in [(_function(module, one.co_qualname), one) for one in changed]:
        function.__code__ = code


def _changed(before: CodeType, after: CodeType) -> list[CodeType]:
    """The outermost functions that differ. Raises NotHere if what is around them differs, too."""
    if not _same_but_for_inner(before, after):
        raise NotHere
    found: list[CodeType] = []
    for one, other in zip(_inner(before), _inner(after), strict=True):
        if one == other:
            continue
        if other.co_flags & 0x02:  # CO_NEWLOCALS: a function
            found.append(other)
        else:
            found += _changed(one, other)
    return found


def _inner(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _same_but_for_inner(before: CodeType, after: CodeType) -> bool:
    rest = [
        (code.co_code, code.co_names, [one for one in code.co_consts if not isinstance(one, CodeType)])
        for code in (before, after)
    ]
    return rest[0] == rest[1] and len(_inner(before)) == len(_inner(after))


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
