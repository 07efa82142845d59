"""The certificate: the operator's, or a self-signed one for the first day."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kith.config import Config, ConfigError

_YEARS = 10


@dataclass(frozen=True, slots=True)
class Description:
    """What a person wants to know of a certificate. ``fingerprint``: SHA-256, colon-separated."""

    fingerprint: str
    not_after: datetime
    names: list[str]
    self_signed: bool


def ensure_certificate(config: Config) -> tuple[Path, Path]:
    """Paths of certificate and key: those of the settings, or made in the data folder if missing.

    Raises ConfigError if a configured file is not there, OSError if none can be written.
    """
    if config.certificate is not None and config.private_key is not None:
        for path in (config.certificate, config.private_key):
            if not path.is_file():
                raise ConfigError(f"no such file: {path} (settings certificate and private_key)")
        return config.certificate, config.private_key
    certificate, key = config.data_dir / "certificate.pem", config.data_dir / "private-key.pem"
    if not (certificate.exists() and key.exists()):
        config.data_dir.mkdir(parents=True, exist_ok=True)
        _make(config.domain, certificate, key)
    return certificate, key


def _make(domain: str, certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain[:64])])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(domain.encode("idna").decode())]
    if domain == "localhost":
        names += [x509.IPAddress(ip_address("127.0.0.1")), x509.IPAddress(ip_address("::1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def describe(path: Path) -> Description:
    """Reads a PEM certificate. Raises OSError, ValueError."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = [str(name.value) for name in names]
    except x509.ExtensionNotFound:
        found = []
    return Description(
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        certificate.not_valid_after_utc,
        found,
        certificate.issuer == certificate.subject,
    )
