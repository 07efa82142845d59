"""What happens in a simulation, and when: a seed and a list of events, as text that can be run again.

``7:1.5 write ada.phone ben 3;0.2 kill 0 2`` is the schedule with seed 7 in which, after 1.5 s, Ada's phone
writes three messages to Ben, and 0.2 s later node 0 is killed, to be started again after 2 s.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import strategies as st

ACCOUNTS = ("ada", "ben", "cleo", "dora")
DEVICES = (
    "ada.phone",
    "ada.desk",
    "ben.phone",
    "ben.reader",
    "cleo.sleeper",
    "cleo.tablet",
    "dora.phone",
)


@dataclass(frozen=True, slots=True)
class Event:
    """``after``: seconds since the event before, in thousandths."""

    after: int
    name: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((f"{self.after / 1000:g}", self.name, *self.arguments))

    @classmethod
    def parse(cls, text: str) -> Event:
        after, name, *arguments = text.split(" ")
        return cls(round(float(after) * 1000), name, tuple(arguments))


@dataclass(frozen=True, slots=True)
class Schedule:
    """``seed``: of delays, luck and made-up ids. ``nodes``: how many there are."""

    seed: int
    events: tuple[Event, ...]
    nodes: int = 1

    def __str__(self) -> str:
        head = f"{self.seed}" if self.nodes == 1 else f"{self.seed}/{self.nodes}"
        return f"{head}:{';'.join(map(str, self.events))}"

    def __repr__(self) -> str:
        return f"Schedule.parse({str(self)!r})"

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Raises ValueError."""
        head, _, rest = text.partition(":")
        seed, _, nodes = head.partition("/")
        events = tuple(Event.parse(part) for part in rest.split(";")) if rest else ()
        return cls(int(seed), events, int(nodes or 1))

    @classmethod
    def of(cls, seed: int, nodes: int = 1, length: int = 25) -> Schedule:
        """The schedule that a seed stands for.

        A schedule is about some people and some kinds of events only, so that these meet more often.
        """
        rng = random.Random(seed)
        scope = Scope(
            tuple(rng.sample(ACCOUNTS, rng.randint(1, len(ACCOUNTS)))),
            tuple(kind for kind in _kinds(nodes) if kind == "write" or rng.random() < 0.5),
            nodes,
        )
        weights = [_ALL_KINDS[kind][0] for kind in scope.kinds]
        events = []
        for kind in rng.choices(scope.kinds, weights, k=rng.randint(3, length)):
            arguments = tuple(rng.choice(choice) for choice in scope.choices(kind))
            events.append(Event(rng.choice(_PAUSES), kind, arguments))
        return cls(seed, tuple(events), nodes)


_NUMBERS = ("1", "2", "3", "5", "12")
_SECONDS = ("0.05", "0.5", "2", "8", "25")
#: Thousandths of a second: often at once, so that things come together; seldom as long as sessions last.
_PAUSES = (0, 0, 0, 1, 3, 5, 10, 30, 100, 300, 1000, 3000, 9000, 25000)
# Arguments that depend on what a schedule is about.
_NODE, _DEVICE, _ACCOUNT, _RECIPIENT = ("node",), ("device",), ("account",), ("recipient",)
#: How often each kind comes, and what its arguments may be.
_KINDS: dict[str, tuple[int, tuple[tuple[str, ...], ...]]] = {
    "write": (24, (_DEVICE, _RECIPIENT, _NUMBERS)),
    "cut": (10, (_DEVICE, _SECONDS)),
    "leave": (4, (_DEVICE, ("politely", "silently"))),
    "nap": (7, (_DEVICE, ("2", "20", "45"))),
    "come": (5, (_DEVICE,)),
    "kill": (5, (_NODE, _SECONDS)),
    "restart": (3, (_NODE, _SECONDS)),
    "freeze": (3, (_NODE, _SECONDS)),
    "full": (3, (_NODE, _SECONDS)),
    "stall": (3, (_NODE, _SECONDS)),
    "block": (3, (_DEVICE, _ACCOUNT)),
    "unblock": (3, (_DEVICE, _ACCOUNT)),
    "rename": (4, (_DEVICE, _ACCOUNT)),
    "mood": (4, (_DEVICE,)),
    "show": (4, (_DEVICE,)),
    "typing": (3, (_DEVICE, _RECIPIENT)),
    "receipt": (2, (_DEVICE, _RECIPIENT)),
    "question": (3, (_DEVICE, _RECIPIENT)),
    "inactive": (3, (_DEVICE,)),
    "active": (2, (_DEVICE,)),
}
_CLUSTER_KINDS: dict[str, tuple[int, tuple[tuple[str, ...], ...]]] = {
    "move": (6, (_ACCOUNT, _NODE)),
    "part": (3, (_NODE, _SECONDS)),
    "noise": (3, (_SECONDS,)),
}


_ALL_KINDS = _KINDS | _CLUSTER_KINDS


def _kinds(nodes: int) -> list[str]:
    if nodes == 1:
        return list(_KINDS)
    return [*_KINDS, *_CLUSTER_KINDS]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom and what a schedule is about."""

    accounts: tuple[str, ...]
    kinds: tuple[str, ...]
    nodes: int

    def choices(self, kind: str) -> list[tuple[str, ...]]:
        """What the arguments of an event may be."""
        devices = tuple(name for name in DEVICES if name.partition(".")[0] in self.accounts)
        named: dict[tuple[str, ...], tuple[str, ...]] = {
            _NODE: tuple(map(str, range(self.nodes))),
            _DEVICE: devices,
            _ACCOUNT: self.accounts,
            _RECIPIENT: (*self.accounts, *self.accounts, *devices),
        }
        return [named.get(choice, choice) for choice in _ALL_KINDS[kind][1]]


@st.composite
def schedules(draw: st.DrawFn, nodes: int = 1, most: int = 25) -> Schedule:
    """Schedules that shrink: fewer events, shorter pauses."""
    scope = Scope(
        tuple(draw(st.lists(st.sampled_from(ACCOUNTS), min_size=1, unique=True))),
        tuple(draw(st.lists(st.sampled_from(_kinds(nodes)), min_size=1, unique=True))),
        nodes,
    )
    event = st.one_of(
        *(
            st.builds(
                Event,
                st.sampled_from(_PAUSES),
                st.just(kind),
                st.tuples(*(st.sampled_from(choice) for choice in scope.choices(kind))),
            )
            for kind in scope.kinds
        )
    )
    events = draw(st.lists(event, min_size=1, max_size=most))
    return Schedule(draw(st.integers(0, 2**32 - 1)), tuple(events), nodes)
