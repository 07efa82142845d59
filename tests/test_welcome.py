"""What `kith serve` prints when it has started."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kith import welcome
from kith.config import Config
from kith.edge.certificate import Description


@pytest.mark.parametrize("pairs", ["AB", "0A"])
def test_fingerprint_and_folder_are_printed_as_they_are(
    pairs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprint = ":".join([pairs] * 32)
    certificate = Description(fingerprint, datetime.now(UTC), ["localhost"], self_signed=True)
    welcome.show(Config(data_dir=tmp_path / "[b]:smile:"), certificate, accounts=0)
    printed = capsys.readouterr().out
    assert [line for line in printed.split() if line.count(":") == 15] == [fingerprint[:47], fingerprint[48:]]
    assert str(tmp_path / "[b]:smile:") in "".join(printed.split())  # however the line is broken
