"""What is wrong with a certificate and its key, in words for the operator."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from kith.edge.certificate import describe

#: How long before its end a certificate is worth a warning. Let's Encrypt's are renewed 30 days before.
SOON = timedelta(days=21)


class Trouble(NamedTuple):
    """What clients or other servers refuse, now (``bad``) or later, and what to do about it."""

    text: str
    todo: str
    bad: bool = True


def check_pair(certificate: Path, key: Path) -> None:
    """Checks that a server can use the two files. Raises ValueError with one line for the operator."""
    chain = _chain(certificate)
    content = _content(key)
    try:
        private = load_pem_private_key(content, None)
    except TypeError:
        raise ValueError(f"{key} has a passphrase; remove it: openssl pkey -in {key} -out NEW_FILE") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{key} is not a private key in PEM") from None
    ours, theirs = (
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for public in (private.public_key(), chain[0].public_key())
    )
    if ours != theirs:
        raise ValueError(f"{key} is not the key of {certificate}")


def troubles(certificate: Path, domain: str, now: datetime | None = None) -> list[Trouble]:
    """What is wrong with a certificate for a domain, the worst first.

    Raises ValueError if it can't be read.
    """
    now = now or datetime.now(UTC)
    chain = _chain(certificate)
    leaf, found = chain[0], describe(certificate)
    until = f"{found.not_after:%Y-%m-%d}"
    renew = f"renew {certificate}; no restart is needed"
    troubles = []
    if found.not_after < now:
        troubles.append(Trouble(f"expired on {until}", renew))
    if leaf.not_valid_before_utc > now:
        since = f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        troubles.append(Trouble(f"is not valid before {since}", "check the clock of this machine"))
    if not found.covers(domain):
        names = ", ".join(found.names) or "no name"
        troubles.append(Trouble(f"is for {names}, not for {domain}", f"get one for {domain}"))
    if now <= found.not_after < now + SOON:
        troubles.append(Trouble(f"expires on {until}", f"{renew}, and see why nothing has renewed it", False))
    if not found.self_signed and not _is_complete(chain):
        text = "comes without the certificates of the authorities between it and the root"
        todo = "put them behind it in the same file (of Let's Encrypt, use fullchain.pem)"
        troubles.append(Trouble(text, todo, False))
    if found.self_signed and domain != "localhost":
        todo = "get one from a certificate authority, and set certificate and private_key"
        troubles.append(Trouble("is self-signed: clients will ask about it", todo, False))
    return troubles


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}") from None


def _chain(path: Path) -> list[x509.Certificate]:
    content = _content(path)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ValueError(f"{path} is not a certificate in PEM") from None


def _is_complete(chain: list[x509.Certificate]) -> bool:
    """Whether each certificate is followed by its issuer's, up to one that a root has signed."""
    for one, issuer in pairwise(chain):
        if one.issuer != issuer.subject:
            return False
    last = chain[-1].issuer
    return len(chain) > 1 or last.public_bytes() in _roots()


def _roots() -> set[bytes]:
    """The names of the authorities that this machine trusts."""
    trusted = ssl.create_default_context().get_ca_certs(binary_form=True)
    with warnings.catch_warnings():  # about serial numbers that RFC 5280 does not allow
        warnings.simplefilter("ignore")
        return {x509.load_der_x509_certificate(root).subject.public_bytes() for root in trusted}
