"""What is wrong with a certificate, said in one line, with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kith.config import Config
from kith.edge.certificate import ensure_certificate
from kith.edge.certificate_health import SOON, check_pair, troubles

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Chain:
    """A root, an authority below it, and a certificate below that, for ``domain``."""

    def __init__(self, domain: str = "example.org", starts: datetime = NOW, days: float = 90) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("Root", "Between")} | {
            "": self.key
        }
        self.made: dict[str, x509.Certificate] = {}
        for name, issuer in (("Root", "Root"), ("Between", "Root"), ("", "Between")):
            builder = (
                x509.CertificateBuilder()
                .subject_name(_name(name or domain))
                .issuer_name(_name(issuer))
                .public_key(keys[name].public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(starts)
                .not_valid_after(starts + timedelta(days=days))
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
            )
            self.made[name] = builder.sign(keys[issuer], hashes.SHA256())

    def write(self, folder: Path, names: Sequence[str], passphrase: bytes = b"") -> tuple[Path, Path]:
        certificate, key = folder / "fullchain.pem", folder / "key.pem"
        certificate.write_bytes(
            b"".join(self.made[name].public_bytes(serialization.Encoding.PEM) for name in names)
        )
        locked = (
            serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        )
        key.write_bytes(
            self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        )
        return certificate, key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _said(certificate: Path, now: datetime, domain: str = "example.org") -> list[str]:
    return [trouble.text for trouble in troubles(certificate, domain, now)]


def test_a_certificate_with_its_chain_is_fine(tmp_path: Path) -> None:
    certificate, key = Chain().write(tmp_path, ["", "Between"])
    check_pair(certificate, key)
    assert _said(certificate, NOW + timedelta(days=1)) == []


@pytest.mark.parametrize("names", [[""], ["", "Root"]])
def test_a_missing_or_wrong_chain_is_said(tmp_path: Path, names: list[str]) -> None:
    certificate, _ = Chain().write(tmp_path, names)
    (said,) = _said(certificate, NOW + timedelta(days=1))
    assert said.startswith("comes without the certificates of the authorities")


@pytest.mark.parametrize(
    ("days", "said", "bad"),
    [
        (-1, "is not valid before 2026-06-01 00:00 UTC", True),
        (90 - SOON.days + 1, "expires on 2026-08-30", False),
        (91, "expired on 2026-08-30", True),
    ],
)
def test_a_certificate_out_of_its_time_is_said(tmp_path: Path, days: float, said: str, bad: bool) -> None:
    certificate, _ = Chain().write(tmp_path, ["", "Between"])
    assert [
        (trouble.text, trouble.bad) for trouble in troubles(certificate, "example.org", NOW + timedelta(days))
    ] == [(said, bad)]


def test_a_certificate_for_another_name_is_said(tmp_path: Path) -> None:
    certificate, _ = Chain("mail.example.org").write(tmp_path, ["", "Between"])
    assert _said(certificate, NOW, "chat.example.org") == [
        "is for mail.example.org, not for chat.example.org"
    ]


def test_a_self_signed_certificate_is_said_but_for_localhost(tmp_path: Path) -> None:
    for domain, count in (("example.org", 1), ("localhost", 0)):
        certificate, _ = ensure_certificate(Config(data_dir=tmp_path / domain, domain=domain))
        assert [trouble.bad for trouble in troubles(certificate, domain)] == [False] * count


def test_a_key_with_a_passphrase_is_said_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    certificate, key = Chain().write(tmp_path, [""], b"open sesame")
    with pytest.raises(ValueError, match=r"key\.pem has a passphrase; remove it: openssl pkey -in"):
        check_pair(certificate, key)


def test_a_key_of_another_certificate_is_said(tmp_path: Path) -> None:
    certificate, _ = Chain().write(tmp_path, [""])
    (tmp_path / "other").mkdir()
    _, key = Chain().write(tmp_path / "other", [""])
    with pytest.raises(ValueError, match=r"key\.pem is not the key of .*fullchain\.pem"):
        check_pair(certificate, key)


@pytest.mark.parametrize("which", [0, 1])
def test_files_that_are_none_or_can_not_be_read_are_said(tmp_path: Path, which: int) -> None:
    files = Chain().write(tmp_path, [""])
    files[which].write_text("hello")
    with pytest.raises(ValueError, match=f"{files[which].name} is not a (certificate|private key) in PEM"):
        check_pair(*files)
    files[which].unlink()
    with pytest.raises(ValueError, match=rf"can't read .*{files[which].name}: No such file"):
        check_pair(*files)
