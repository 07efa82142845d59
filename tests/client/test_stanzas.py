"""What stanzas say is read as far as it can be, whatever stands in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kith.client.stanzas import parse_time


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "x", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "99999-01-01T00:00:00Z"),
        *(
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "\u0662\u0660\u0662\u0666-01-01T00:00:00Z",
        ),
    ],
)
def test_what_is_no_time_in_utc_is_none(text: str | None) -> None:
    """One in the year 0 could be stored, but never read again."""
    assert parse_time(text) is None


def test_a_time_is_in_utc() -> None:
    assert parse_time("2026-01-01T01:00:00+01:00") == datetime(2026, 1, 1, tzinfo=UTC)
    for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        moment = parse_time(text)
        assert moment is not None
        assert datetime.fromtimestamp(int(moment.timestamp()), UTC).year == moment.year
