"""The server's certificate: the operator's, or a self-signed one to start with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kith.config import Config, ConfigError

_YEARS = 10
#: The issuer of certificates that are made here. These may be replaced when the domain changes.
_ISSUER = "Kith, self-signed"


@dataclass(frozen=True, slots=True)
class Description:
    """A certificate in words for people. ``fingerprint``: SHA-256, separated by colons."""

    fingerprint: str
    not_after: datetime
    names: list[str]
    self_signed: bool

    def covers(self, domain: str) -> bool:
        """Whether one of the names is the domain's (RFC 6125 §6.4.3: a ``*`` matches one label)."""
        name = ascii_domain(domain)
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def ascii_domain(domain: str) -> str:
    """The domain in ASCII, as certificates and DNS have it. IP addresses lose their brackets."""
    domain = domain.strip("[]")
    return domain if domain.isascii() else idna.encode(domain).decode()


def ensure_certificate(config: Config) -> tuple[Path, Path]:
    """The paths of certificate and key: those of the settings, or self-signed ones in the data folder.

    Self-signed ones are created if they are missing, or are for another domain. Raises ConfigError if a
    file of the settings is missing, OSError if files can't be read or written, and ValueError for a
    malformed file.
    """
    if config.certificate is not None and config.private_key is not None:
        for path in (config.certificate, config.private_key):
            if not path.is_file():
                raise ConfigError(f"no such file: {path} (settings certificate and private_key)")
        return config.certificate, config.private_key
    certificate, key = own_files(config)
    if not certificate.exists() or _is_for_another(certificate, config.domain):
        config.data_dir.mkdir(parents=True, exist_ok=True)
        _make(config.domain, certificate, key)
    elif not key.exists():
        raise ConfigError(f"{certificate} has lost its key: bring back {key}, or remove both for new ones")
    return certificate, key


def own_files(config: Config) -> tuple[Path, Path]:
    """The paths of the self-signed certificate and its key, whether or not they exist."""
    return config.data_dir / "certificate.pem", config.data_dir / "private-key.pem"


def describe(path: Path) -> Description:
    """Reads a PEM certificate. Raises OSError, ValueError."""
    certificate = _load(path)
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


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise ValueError(f"{path} is not a certificate in PEM") from None


def _is_for_another(path: Path, domain: str) -> bool:
    issuers = _load(path).issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return [issuer.value for issuer in issuers] == [_ISSUER] and not describe(path).covers(domain)


def _make(domain: str, certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ISSUER),
            x509.NameAttribute(NameOID.COMMON_NAME, domain[:64]),
        ]
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(_names(domain)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # the certificate is written last: while it is missing, both are created again
    certificate.unlink(missing_ok=True)
    _write(key, pem, 0o600)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _names(domain: str) -> list[x509.GeneralName]:
    name = ascii_domain(domain)
    try:
        return [x509.IPAddress(ip_address(name))]
    except ValueError:
        pass
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names += [x509.IPAddress(ip_address("127.0.0.1")), x509.IPAddress(ip_address("::1"))]
    return names


def _write(path: Path, content: bytes, mode: int) -> None:
    """Writes a file completely or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
