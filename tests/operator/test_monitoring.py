"""The alert rules and the dashboard in `packaging/monitoring` ask for metrics that there are."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import free_ports, running

FOLDER = Path(__file__).parents[2] / "packaging" / "monitoring"
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
PANELS = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]
_METRIC = re.compile(r"\b(?:kith|process)_[a-z_]+\b")


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """The names of all samples and families of a server with everything switched on."""
    port, federation = free_ports(2)
    settings = {"metrics_port": str(port), "federation": "on", "federation_port": str(federation)}
    with running(tmp_path_factory.mktemp("metrics") / "data", **settings):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        yield set(re.findall(r"^(?:# TYPE )?([a-z_]+)", text, re.MULTILINE))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_there(metrics: set[str], expression: str) -> None:
    asked = set(_METRIC.findall(expression))
    assert asked or "up{" in expression
    assert asked <= metrics


def test_each_rule_says_what_to_do_and_how_bad_it_is() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) > 5
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_the_panels_have_room_of_their_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)
