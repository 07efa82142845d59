"""Whom we talk to: certificates that an authority signed, and self-signed ones, pinned on first use."""

from __future__ import annotations

import hashlib
import ssl

from kith.client.database import Database
from kith.client.errors import CertificateChanged, CertificateInvalid, ClientError

#: OpenSSL's verify codes of "nobody that we know signed this": the leaf itself, or the root of its chain.
_SELF_SIGNED = {18, 19}


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, in hexadecimal digits."""
    return hashlib.sha256(der).hexdigest()


def parse_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint as people write it, with colons or spaces. Raises ValueError."""
    digits = "".join(text.split()).replace(":", "").lower()
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise ValueError("A pin is the SHA-256 fingerprint of a certificate: 64 hexadecimal digits.")
    return digits


class Pin:
    """What this account knows of its server's certificate.

    Three states: nothing known; ``ca``: an authority vouched for it once, so it must for ever;
    or the fingerprint of a self-signed one. A fingerprint that the caller has ``given`` counts instead of
    what is known, and is remembered once the server has shown that certificate.
    """

    __slots__ = ("_db", "_first_use", "_given")

    def __init__(self, database: Database, given: str | None = None) -> None:
        """Raises ValueError if what is given is no SHA-256 fingerprint."""
        self._db = database
        self._given = None if given is None else parse_fingerprint(given)
        self._first_use = False

    @property
    def known(self) -> str | None:
        return self._given or self._db.get("certificate")

    @property
    def by_authority(self) -> bool:
        """Whether the next handshake is checked against the system's authorities, not against a pin."""
        return not self._first_use and self.known in (None, "ca")

    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        context = ssl.create_default_context()
        if not self.by_authority:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check(self, der: bytes) -> None:
        """After a handshake, before anything is sent. Raises CertificateChanged."""
        seen = fingerprint(der)
        if self.by_authority:
            self._note("ca")
        elif self.known is None:
            self._note(seen)
        elif seen != self.known and self._given is not None:
            raise CertificateChanged(
                f"The server shows another certificate than that of the pin: its fingerprint is {seen}", seen
            )
        elif seen != self.known:
            raise CertificateChanged(
                "The server shows another certificate than before. Either it was renewed, or somebody is "
                f"in the middle. Ask the operator whether its fingerprint is {seen}",
                seen,
            )
        elif self._given is not None:
            self._note(seen)
        self._first_use = False

    def refused(self, error: ssl.SSLError) -> ClientError | None:
        """The authorities did not vouch. None: try again, this first certificate will be pinned."""
        code = getattr(error, "verify_code", None)
        if code in _SELF_SIGNED and self.known is None:
            self._first_use = True
            return None
        if code in _SELF_SIGNED:
            return CertificateChanged(
                "The server had a certificate from an authority, and now shows a self-signed one. "
                "Somebody may be in the middle.",
                "",
            )
        text = getattr(error, "verify_message", "") or str(error)
        return CertificateInvalid(f"The server's certificate is not valid: {text}.")

    def forget(self) -> None:
        """The next certificate is taken as the first."""
        self._db.sql.execute("DELETE FROM meta WHERE key = 'certificate'")
        self._db.commit()

    def _note(self, value: str) -> None:
        if self._db.get("certificate") != value:
            self._db.set("certificate", value)
            self._db.commit()
