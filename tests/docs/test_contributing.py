"""CONTRIBUTING.md, CHANGELOG.md and README.md name only what exists, and agree on the version."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest

from kith import __version__
from tests.conftest import RunningServer

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")}
RELEASES = re.findall(
    r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_newest_version_of_the_changelog_is_this_one() -> None:
    assert RELEASES[0][0] == __version__


def test_the_package_takes_its_version_from_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert version("kith") == __version__


def test_the_changelog_lists_the_newest_version_first() -> None:
    numbers = [tuple(map(int, number.split("."))) for number, _ in RELEASES]
    dates = [date.fromisoformat(day) for _, day in RELEASES]
    assert len(RELEASES) >= 2
    assert all(newer > older for newer, older in pairwise(numbers))
    assert all(newer >= older for newer, older in pairwise(dates))


def test_the_command_says_the_version_of_the_changelog(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    assert server.kith("--version").stdout == f"kith {RELEASES[0][0]}\n"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_targets_that_make_has(page: str) -> None:
    blocks = re.findall(r"```\n(.*?)```", PAGES[page], re.DOTALL) + re.findall(r"`([^`\n]+)`", PAGES[page])
    commands = re.findall(r"^(?:\w+=\S+ )*make ([a-z]+)", "\n".join(blocks), re.MULTILINE)
    assert commands
    assert set(commands) <= TARGETS


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_files_that_exist(page: str) -> None:
    named = re.findall(r"`((?:src|tests|docs|web|bench|scripts)/[\w./-]+)`", PAGES[page])
    named += re.findall(r"\]\(([\w./-]+)(?:#[\w-]*)?\)", PAGES[page])
    assert named or page == "SECURITY.md"
    missing = [
        path for path in named if not (ROOT / path).exists() and "NAME" not in path and "dist" not in path
    ]
    assert not missing


def anchors(page: Path) -> set[str]:
    """The headings of a page as forges make anchors of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for path, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", page.read_text()):
        if path.startswith("../.."):
            continue  # pages of the forge
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(target), f"{path}#{anchor}"
