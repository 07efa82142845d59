"""What was taken out of the files, what was there already, and what can't be taken and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: The kinds of data, in the order of the report.
KINDS = (
    *("accounts", "contacts", "requests", "cards", "nodes", "items", "private elements", "blocked addresses"),
    *("waiting messages", "archived messages", "rooms", "members", "messages of rooms"),
)
#: How many examples of each reason are kept.
_EXAMPLES = 3


@dataclass
class Left:
    """What was not taken for one reason: how much, and a few examples."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


class Report:
    """Counts by kind. ``left``: by kind and reason, in the order of their first occurrence."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.there: Counter[str] = Counter()
        self.left: dict[tuple[str, str], Left] = {}
        self.notes: dict[str, Left] = {}

    def take(self, kind: str, count: int = 1) -> None:
        """Something was taken."""
        self.taken[kind] += count

    def found(self, kind: str, count: int = 1) -> None:
        """Something was there already, and was not changed."""
        self.there[kind] += count

    def leave(self, kind: str, reason: str, example: str) -> None:
        """Something can't be taken."""
        _add(self.left.setdefault((kind, reason), Left()), example)

    def note(self, text: str, example: str) -> None:
        """Something was taken that the operator should know of."""
        _add(self.notes.setdefault(text, Left()), example)

    def count_left(self, kind: str) -> int:
        """How much of a kind was not taken."""
        return sum(left.count for (of, _), left in self.left.items() if of == kind)


def _add(left: Left, example: str) -> None:
    left.count += 1
    if len(left.examples) < _EXAMPLES and example not in left.examples:
        left.examples.append(example)
