"""What `kith serve` prints when it has started."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"http_port": 8080}, "http://localhost:8080"),
        ({"http_port": 1234, "https_port": 5678}, "http://localhost:1234"),
        ({"http_port": 0, "https_port": 5678}, "https://localhost:5678"),
        ({"domain": "chat.example", "https_port": 5678}, "https://chat.example:5678"),
        ({"domain": "chat.example", "https_port": 0}, "http://chat.example"),
        ({"domain": "chat.example", "public_url": "https://web.example"}, "https://web.example"),
    ],
)
def test_the_address_of_the_web_app_is_printed_where_it_is_served(
    settings: dict[str, Any], address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = Description("AB", datetime.now(UTC), ["localhost"], self_signed=False)
    config = Config(data_dir=tmp_path, **settings)
    welcome.show(config, certificate, accounts=1, web_app=True)
    assert f"  Open {address} in a browser.\n" in capsys.readouterr().out
    welcome.show(config, certificate, accounts=1)
    assert "browser" not in capsys.readouterr().out
