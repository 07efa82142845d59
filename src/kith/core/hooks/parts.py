"""Constructs objects by passing the parts that their constructors ask for by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")


class Unfit(Exception):
    """Objects can't be constructed. The text is one line that says which, and why."""


class Parts:
    """The parts of a node, by the types that constructors ask for, such as a store by its Protocol."""

    def __init__(self, given: Mapping[Any, object]) -> None:
        self._parts = dict(given)
        self._offered: set[type[object]] = set()
        self._making: list[type[object]] = []

    def add(self, given: Mapping[Any, object]) -> None:
        """Adds parts."""
        self._parts.update(given)

    def get(self, cls: type[_T]) -> _T:
        """The part of a class. Raises LookupError if there is none."""
        part = self._parts.get(cls)
        if not isinstance(part, cls):
            raise LookupError(cls.__name__)
        return part

    def build(self, classes: Sequence[type[_T]]) -> list[_T]:
        """Constructs an object of each class, and returns them in the given order.

        An object that another one needs is constructed before it. An argument that is annotated with ``X |
        None`` gets None if there is no X. Raises Unfit if another part is missing, or if classes need each
        other.
        """
        self._offered.update(classes)
        return [self._made(cls) for cls in classes]

    def _made(self, cls: type[_T]) -> _T:
        made = self._parts.get(cls)
        if isinstance(made, cls):
            return made
        if cls in self._making:
            circle = [*self._making[self._making.index(cls) :], cls]
            raise Unfit(" needs ".join(other.__name__ for other in circle))
        self._making.append(cls)
        make: Callable[..., _T] = cls
        part = make(**{name: self._argument(cls, options) for name, options in _needs(cls)})
        self._making.pop()
        self._parts[cls] = part
        return part

    def _argument(self, cls: type[object], options: Sequence[Any]) -> object:
        """The part for an argument of the constructor of ``cls``."""
        for option in options:
            if option in self._parts:
                return self._parts[option]
            if option in self._offered:
                return self._made(option)
        if NoneType in options:
            return None
        wanted = " | ".join(getattr(option, "__name__", str(option)) for option in options)
        raise Unfit(f"{cls.__name__} needs {wanted}")


#: What `_needs` has found, since reading annotations takes long.
_needed: dict[type[object], Sequence[tuple[str, Sequence[Any]]]] = {}


def _needs(cls: type[object]) -> Sequence[tuple[str, Sequence[Any]]]:
    """The arguments of a constructor: their names, each with the types that it may have."""
    found = _needed.get(cls)
    if found is None:
        hints = get_type_hints(cls.__init__)
        hints.pop("return", None)
        found = _needed[cls] = [
            (name, get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,))
            for name, hint in hints.items()
        ]
    return found
