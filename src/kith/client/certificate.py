"""Checks the server's certificate: signed by an authority, or self-signed and pinned on first use."""

from __future__ import annotations

import hashlib
import ssl

from kith.client.database import Database
from kith.client.errors import CertificateChanged, CertificateInvalid, ClientError, InvalidSetting

#: OpenSSL's verify codes of a self-signed certificate, and of a chain with an unknown root.
_SELF_SIGNED = {18, 19}


def fingerprint(der: bytes) -> str:
    """The SHA-256 fingerprint of a certificate in DER, in hexadecimal digits."""
    return hashlib.sha256(der).hexdigest()


def parse_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint as people write it, with colons or spaces. Raises InvalidSetting."""
    digits = "".join(text.split()).replace(":", "").lower()
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise InvalidSetting("A pin is the SHA-256 fingerprint of a certificate: 64 hexadecimal digits.")
    return digits


class Pin:
    """What this account remembers of its server's certificate.

    That is nothing, the word ``ca`` (an authority once vouched for it, so from then on one has to), or the
    fingerprint of a self-signed certificate. A fingerprint that the caller gives replaces what is remembered
    once the server has shown that certificate.
    """

    __slots__ = ("_db", "_first_use", "_given")

    def __init__(self, database: Database, given: str | None = None) -> None:
        """``given``: a SHA-256 fingerprint as people write it. Raises ValueError if it is malformed."""
        self._db = database
        self._given = None if given is None else parse_fingerprint(given)
        self._first_use = False

    @property
    def known(self) -> str | None:
        """The expected fingerprint, or ``ca``; None if any certificate will do."""
        return self._given or self._db.get("certificate")

    @property
    def by_authority(self) -> bool:
        """Whether the next handshake is checked against the system's authorities rather than a pin."""
        return not self._first_use and self.known in (None, "ca")

    def context(self) -> ssl.SSLContext:
        """The TLS settings for the next handshake."""
        context = ssl.create_default_context()
        if not self.by_authority:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check(self, der: bytes) -> None:
        """Checks the certificate after a handshake, before anything is sent. Raises CertificateChanged."""
        seen = fingerprint(der)
        if self.by_authority:
            self._remember("ca")
        elif self.known is None:
            self._remember(seen)
        elif seen != self.known and self._given is not None:
            raise CertificateChanged(
                f"The server shows another certificate than that of the pin: its fingerprint is {seen}", seen
            )
        elif seen != self.known:
            raise CertificateChanged(
                "The server shows another certificate than before. Either it was renewed, or somebody is "
                f"intercepting the connection. Ask the operator whether its fingerprint is {seen}",
                seen,
            )
        elif self._given is not None:
            self._remember(seen)
        self._first_use = False

    def refused(self, error: ssl.SSLError) -> ClientError | None:
        """The error for a certificate that no authority signed.

        None means: connect again, and the certificate, which is the first one seen, will be pinned.
        """
        code = getattr(error, "verify_code", None)
        if code in _SELF_SIGNED and self.known is None:
            self._first_use = True
            return None
        if code in _SELF_SIGNED:
            return CertificateChanged(
                "The server had a certificate from an authority, and now shows a self-signed one. "
                "Somebody may be intercepting the connection.",
                "",
            )
        text = getattr(error, "verify_message", "") or str(error)
        return CertificateInvalid(f"The server's certificate is not valid: {text}.")

    def forget(self) -> None:
        """Forgets the certificate, so that the next one is pinned."""
        self._db.sql.execute("DELETE FROM meta WHERE key = 'certificate'")
        self._db.commit()

    def _remember(self, value: str) -> None:
        if self._db.get("certificate") != value:
            self._db.set("certificate", value)
            self._db.commit()
