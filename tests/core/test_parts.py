"""A feature says in its constructor what it needs, and is given that and no more."""

from __future__ import annotations

from typing import Any

import pytest

from kith.base.domain import Domain
from kith.core.hooks.feature import Feature
from kith.core.hooks.parts import Parts, Unfit
from kith.core.hooks.table import Hooks
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

HOME = Domain("localhost")
ADA, BEN = parse_jid("ada@localhost"), parse_jid("ben@localhost")


class Plain(Feature):
    """Needs nothing."""


class Caps(Feature):
    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def stanza_in(self, sender: Any, to: Any, stanza: Any) -> bool:
        stanza.attrs["seen"] = stanza.attrs.get("seen", "") + "caps "
        return True


class Pep(Feature):
    def __init__(self, caps: Caps, plain: Plain | None) -> None:
        self.caps, self.plain = caps, plain

    def stanza_in(self, sender: Any, to: Any, stanza: Any) -> bool:
        stanza.attrs["seen"] = stanza.attrs.get("seen", "") + "pep "
        return False


class Keys(Feature):
    def __init__(self, pep: Pep) -> None: ...


class Egg(Feature):
    def __init__(self, hen: Hen) -> None: ...


class Hen(Feature):
    def __init__(self, domain: Domain, egg: Egg | None) -> None: ...


def parts() -> Parts:
    return Parts({Domain: HOME})


def test_what_a_feature_needs_is_made_before_it_and_the_order_stays() -> None:
    there = parts()
    features: list[Feature] = there.build([Pep, Plain, Caps])
    assert [type(feature) for feature in features] == [Pep, Plain, Caps]
    pep, plain, caps = features
    assert isinstance(pep, Pep)
    assert (pep.caps, pep.plain) == (caps, plain)
    assert isinstance(caps, Caps)
    assert caps.domain is HOME
    assert there.get(Caps) is caps


def test_a_feature_works_without_what_it_may_do_without() -> None:
    features: list[Feature] = parts().build([Caps, Pep])
    pep = features[1]
    assert isinstance(pep, Pep)
    assert pep.plain is None


def test_a_feature_that_is_missing_stops_the_start_with_one_line() -> None:
    with pytest.raises(Unfit, match=r"^Pep needs Caps$"):
        parts().build([Plain, Keys, Pep])


def test_a_part_that_is_missing_stops_the_start_with_one_line() -> None:
    with pytest.raises(Unfit, match=r"^Caps needs Domain$"):
        Parts({}).build([Caps])


def test_features_that_need_each_other_stop_the_start_with_one_line() -> None:
    with pytest.raises(Unfit, match=r"^Hen needs Egg needs Hen$"):
        parts().build([Plain, Hen, Egg])


def test_a_part_that_is_not_there_can_be_asked_for() -> None:
    there = parts()
    there.build([Plain])
    with pytest.raises(LookupError, match="Caps"):
        there.get(Caps)


def test_hooks_are_called_in_the_order_of_the_list_not_in_that_of_making() -> None:
    hooks = Hooks()
    asked_for_before_it_is_filled = hooks.stanza_in
    hooks.fill(parts().build([Pep, Caps]))
    first, second = Stanza.build("message", {}), Stanza.build("message", {})
    assert not hooks.stanza_in(ADA, BEN, first)
    assert first.attrs["seen"] == "pep "  # made after Caps, asked before it; a no ends it
    assert hooks.stanza_in is asked_for_before_it_is_filled
    assert len(hooks.stanza_in) == 2

    hooks = Hooks()
    hooks.fill(parts().build([Caps, Pep]))
    assert not hooks.allows(ADA, BEN, second)
    assert second.attrs["seen"] == "caps pep "


def test_a_hook_that_a_feature_leaves_alone_costs_nothing() -> None:
    hooks = Hooks()
    hooks.fill(parts().build([Caps, Pep, Plain]))
    assert hooks.message_sent == []
    assert len(hooks.stanza_in) == 2
