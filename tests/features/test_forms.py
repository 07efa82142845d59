"""XEP-0004: what is built can be read, and what is read is as it was sent."""

from xml.etree import ElementTree

import pytest

from kith.features.forms import Field, build_form, find_form, parse_form, to_boolean


def test_a_form_that_was_built_is_read_back() -> None:
    fields = [Field("colour", ("red",), "list-single", "Colour", ("red", "blue")), Field("names", ("a", "b"))]
    form = parse_form(build_form("form", "urn:example", fields))
    assert form.type == "form"
    assert form.form_type == "urn:example"
    assert form.values["names"] == ["a", "b"]
    assert form.one("colour") == "red"
    assert form.one("absent", "none") == "none"


def test_a_result_has_types_and_nothing_that_helps_to_fill_it_in() -> None:
    form = build_form("result", "urn:example", [Field("x", ("1",), "boolean", "X", ("1", "0"))])
    assert [field.get("type") for field in form] == ["hidden", "boolean"]
    assert [[child.tag.partition("}")[2] for child in field] for field in form] == [["value"], ["value"]]


def test_fields_without_name_or_value_do_no_harm() -> None:
    parent = ElementTree.fromstring(
        "<a><x xmlns='jabber:x:data' type='submit'><field><value>1</value></field><field var='y'/></x></a>"
    )
    form = find_form(parent)
    assert form is not None
    assert form.values == {"y": []}
    assert form.one("y") == ""


def test_a_boolean_has_four_forms() -> None:
    assert [to_boolean(text) for text in ("1", "true", "0", "false")] == [True, True, False, False]
    with pytest.raises(ValueError, match="not a boolean"):
        to_boolean("yes")
