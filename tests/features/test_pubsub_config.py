"""A node's configuration as a form and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.features.forms import Form, build_form, parse_form
from kith.features.pubsub.config import MAX_ITEMS, NodeConfig, changed, fields


def submitted(**values: str | list[str]) -> Form:
    found = {
        f"pubsub#{name}": value if isinstance(value, list) else [value] for name, value in values.items()
    }
    return Form("submit", found)


configurations = st.builds(
    NodeConfig,
    title=st.text(alphabet="abc <&'", max_size=9),
    access_model=st.sampled_from(("presence", "open", "roster", "whitelist")),
    roster_groups_allowed=st.lists(st.text("ab", min_size=1), unique=True, max_size=3),
    max_items=st.integers(1, MAX_ITEMS),
    persist_items=st.booleans(),
    send_last_published_item=st.sampled_from(("never", "on_sub", "on_sub_and_presence")),
    deliver_payloads=st.booleans(),
    notify_retract=st.booleans(),
    notification_type=st.sampled_from(("headline", "normal")),
)


@given(configurations)
def test_the_form_that_is_offered_can_be_submitted_as_it_is(config: NodeConfig) -> None:
    form = parse_form(build_form("form", "urn:example", fields(config)))
    assert changed(config, form, strict=True) == config
    assert changed(NodeConfig(), form, strict=True) == config


@given(st.dictionaries(st.sampled_from([field.var for field in fields(NodeConfig())]), st.lists(st.text())))
def test_any_form_is_understood_or_refused(values: dict[str, list[str]]) -> None:
    try:
        config = changed(NodeConfig(), Form("submit", values))
    except ValueError:
        return
    assert 1 <= config.max_items <= MAX_ITEMS


@pytest.mark.parametrize(("text", "items"), [("max", MAX_ITEMS), ("7", 7), ("99999999999", MAX_ITEMS)])
def test_the_number_of_items_is_bounded(text: str, items: int) -> None:
    assert changed(NodeConfig(), submitted(max_items=text)).max_items == items


def test_what_is_unknown_matters_only_where_it_is_a_condition() -> None:
    form = submitted(colour="red")
    assert changed(NodeConfig(), form) == NodeConfig()
    with pytest.raises(ValueError, match="unknown"):
        changed(NodeConfig(), form, strict=True)
