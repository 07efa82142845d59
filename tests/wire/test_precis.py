"""Preparing an address: the library's own result, in work that is linear in its length."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile
from precis_i18n.profile import Profile

from kith.wire.jid import MAX_PART, parse_jid, prepare_local, prepare_resource
from kith.wire.precis import OPAQUE_STRING, USERNAME_CASE_MAPPED
from tests.wire.work import Work

#: Each with what it needs to be allowed, or to be looked for until the end.
CONTEXT = ("\u30fb", "\u0660", "\u0669", "\u06f0", "\u06f5", "\u00b7", "\u0375", "\u05f3", "\u200c", "\u200d")
HOSTILE = [char * 5000 + "\u30ab" for char in (*CONTEXT, "l\u00b7", "\u0301", "\u0628\u200c\u0628")]

_TEXTS = st.text(
    st.sampled_from([*CONTEXT, *"al-\u30ab\u5b57\u03b1\u05d0\u0628\u094d\u0915Aß\uff4a\u0308 1"])
)


@pytest.mark.parametrize(
    ("ours", "profile"), [(USERNAME_CASE_MAPPED, "UsernameCaseMapped"), (OPAQUE_STRING, "OpaqueString")]
)
@given(text=_TEXTS)
def test_what_a_profile_allows_is_what_the_standard_allows(ours: Profile, profile: str, text: str) -> None:
    def result(profile: Profile) -> str:
        try:
            return str(profile.enforce(text))
        except UnicodeError:
            return "not allowed"

    assert result(ours) == result(get_profile(profile))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_part_that_is_too_long_is_refused_before_it_is_prepared(text: str) -> None:
    with Work() as work:
        for address in (f"{text}@localhost", f"a@localhost/{text}", f"a@{text}", f"a@{text}.de"):
            with pytest.raises(ValueError):  # noqa: PT011
                parse_jid(address)
        for prepare in (prepare_local, prepare_resource):
            with pytest.raises(ValueError):  # noqa: PT011
                prepare(text)
    assert work.calls == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_work_grows_with_the_length_of_a_part_and_not_with_its_square(text: str) -> None:
    def calls(length: int) -> int:
        part = text[: length - 1] + "\u30ab"
        with Work() as work:
            for prepare in (prepare_local, prepare_resource):
                try:
                    prepare(part)
                except ValueError:
                    continue
        return work.calls

    longest = MAX_PART // 3
    assert calls(longest) < 100 + 6 * calls(longest // 4)


@pytest.mark.parametrize("char", ["\u30fb", "\u06f0", "\u0660", "é"])
def test_a_domain_takes_little_work_however_it_is_written(char: str) -> None:
    label = char * 52 + ("\u30ab" if char == "\u30fb" else "")
    hidden = "xn--" + label.encode("punycode").decode()
    with Work() as work:
        for domain in (
            label,
            ".".join([label] * 4),
            hidden,
            ".".join([hidden] * 4),
            "\u3002".join([label] * 4),
        ):
            try:
                parse_jid(f"a@{domain}")
            except ValueError:
                continue
    assert work.calls < 20_000


def test_numbers_of_other_scripts_stay_good_domains() -> None:
    assert parse_jid("a@\u06f1\u06f2\u06f3.example").domain == "\u06f1\u06f2\u06f3.example"
    assert parse_jid("a@\u30a2\u30fb\u30ab.example").domain == "\u30a2\u30fb\u30ab.example"


def test_texts_of_peers_are_prepared_in_one_place() -> None:
    """Where sizes are checked first; idna's other users have a domain that was prepared, or the settings'."""
    source = Path(__file__).parents[2] / "src/kith"

    def users(word: str) -> set[str]:
        files = (path for path in source.rglob("*.py") if "client" not in path.relative_to(source).parts)
        return {path.relative_to(source).as_posix() for path in files if word in path.read_text()}

    assert users("precis_i18n") == {"wire/precis.py"}
    assert users("kith.wire.precis import") == {"wire/jid.py"}
    assert users("import idna") == {"wire/jid.py", "edge/certificate.py", "federation/resolver.py"}
    assert users("unicodedata.normalize") == set()
