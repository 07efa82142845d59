"""Whether a certificate is one for a domain (RFC 9525, RFC 6120 §13.7.1.2)."""

from __future__ import annotations

from cryptography import x509
from service_identity.cryptography import extract_patterns
from service_identity.exceptions import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, SRV_ID, verify_service_identity


def is_for(certificate: bytes, domain: str) -> bool:
    """Whether a certificate in DER names a domain, as DNS-ID or, for XMPP between servers, as SRV-ID.

    The common name does not count, a wildcard stands for one whole label, and IP addresses are no domains.
    """
    try:
        patterns = extract_patterns(x509.load_der_x509_certificate(certificate))
        wanted = DNS_ID(domain), SRV_ID(f"_xmpp-server.{domain}")
    except (CertificateError, ValueError):
        return False
    for identity in wanted:
        try:
            verify_service_identity(patterns, obligatory_ids=[identity], optional_ids=[])
        except (CertificateError, VerificationError):
            continue
        return True
    return False
