"""Makes features, each with the parts that its constructor asks for by their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from kith.core.hooks.feature import Feature

_T = TypeVar("_T")


class Unfit(Exception):
    """Features that can't be made together; the text is one line that says which, and why."""


class Parts:
    """What a node is made of, by type: the parts that it has built, then its features.

    ``given``: parts by the types that they are asked for by. One may be there under several, as a store is
    under each of its Protocols.
    """

    def __init__(self, given: dict[Any, object]) -> None:
        self._parts = dict(given)
        self._offered: frozenset[type[Feature]] = frozenset()
        self._making: list[type[Feature]] = []

    def get(self, cls: type[_T]) -> _T:
        """A part, or a feature. Raises LookupError if there is none."""
        part = self._parts.get(cls)
        if not isinstance(part, cls):
            raise LookupError(cls.__name__)
        return part

    def features(self, classes: Sequence[type[Feature]]) -> list[Feature]:
        """One of each class, in the order of ``classes``. One that another needs is made before it.

        An argument of a constructor that is annotated with ``X | None`` gets None where there is no X.
        Raises Unfit if another one is missing, or if features need each other.
        """
        self._offered = frozenset(classes)
        return [self._feature(cls) for cls in classes]

    def _feature(self, cls: type[Feature]) -> Feature:
        made = self._parts.get(cls)
        if isinstance(made, cls):
            return made
        if cls in self._making:
            circle = [*self._making[self._making.index(cls) :], cls]
            raise Unfit(" needs ".join(other.__name__ for other in circle))
        self._making.append(cls)
        make: Callable[..., Feature] = cls
        needs = get_type_hints(cls.__init__)
        needs.pop("return", None)
        feature = make(**{name: self._argument(cls, hint) for name, hint in needs.items()})
        self._making.pop()
        self._parts[cls] = feature
        return feature

    def _argument(self, cls: type[Feature], hint: Any) -> object:
        """What fits an annotation of the constructor of ``cls``."""
        options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        for option in options:
            if option in self._offered:
                return self._feature(option)
            if option in self._parts:
                return self._parts[option]
        if NoneType in options:
            return None
        raise Unfit(f"{cls.__name__} needs {getattr(hint, '__name__', hint)}")
