"""The certificate that Kith makes, and the operator's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.config import Config, ConfigError
from kith.edge.certificate import describe, ensure_certificate
from kith.edge.certificate_health import check_pair


def test_the_first_start_makes_a_pair_that_only_its_owner_can_read(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(Config(data_dir=tmp_path / "data"))
    assert key.stat().st_mode & 0o777 == 0o600
    check_pair(certificate, key)
    found = describe(certificate)
    assert found.self_signed
    assert found.names == ["localhost", "127.0.0.1", "::1"]
    assert found.fingerprint.count(":") == 31
    assert sorted(path.name for path in certificate.parent.iterdir()) == [
        "certificate.pem",
        "private-key.pem",
    ]


def test_later_starts_keep_it(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    first = [path.read_bytes() for path in ensure_certificate(config)]
    assert [path.read_bytes() for path in ensure_certificate(config)] == first


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("example.org", "example.org"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("a" * 60 + "." + "b" * 60 + ".example", "a" * 60 + "." + "b" * 60 + ".example"),
    ],
)
def test_another_domain_gets_a_new_one_for_its_name(tmp_path: Path, domain: str, name: str) -> None:
    ensure_certificate(Config(data_dir=tmp_path))
    certificate, key = ensure_certificate(Config(data_dir=tmp_path, domain=domain))
    check_pair(certificate, key)
    assert describe(certificate).names == [name]
    assert describe(certificate).covers(domain)
    assert not describe(certificate).covers("localhost")


def test_a_certificate_of_the_operator_is_never_made_anew(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(Config(data_dir=tmp_path / "data"))
    config = Config(domain="example.org", certificate=certificate, private_key=key, data_dir=tmp_path / "2")
    assert ensure_certificate(config) == (certificate, key)
    assert describe(certificate).covers("localhost")


def test_a_lost_key_is_said_and_the_certificate_stays(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(Config(data_dir=tmp_path))
    before = certificate.read_bytes()
    key.unlink()
    with pytest.raises(ConfigError, match="lost its key"):
        ensure_certificate(Config(data_dir=tmp_path))
    assert certificate.read_bytes() == before


def test_a_pair_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(Config(data_dir=tmp_path))
    certificate.unlink()
    key.with_suffix(".new").write_text("half")
    check_pair(*ensure_certificate(Config(data_dir=tmp_path)))


def test_what_is_no_certificate_is_said(tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_text("hello")
    with pytest.raises(ValueError, match=r"certificate\.pem is not a certificate"):
        ensure_certificate(Config(data_dir=tmp_path))


def test_a_wildcard_covers_one_label(tmp_path: Path) -> None:
    found = describe(ensure_certificate(Config(data_dir=tmp_path))[0])
    wildcard = type(found)(found.fingerprint, found.not_after, ["*.example.org"], False)
    assert wildcard.covers("chat.example.org")
    assert not wildcard.covers("example.org")
    assert not wildcard.covers("a.chat.example.org")
