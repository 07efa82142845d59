"""The credential by which this device logs in without a password: a FAST token (XEP-0484).

The device gets it when it registers with a code, or when it is linked by another device.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from kith.client.database import Database

SASL2 = "urn:xmpp:sasl:2"
FAST = "urn:xmpp:fast:0"
_HASHES = {"md5": "sha256", "sha1": "sha256"}  # RFC 5929 §4.1
_PREFIX = "device."


@dataclass(frozen=True, slots=True)
class Credential:
    """``address``: the account.

    ``agent``: the user-agent id, which this device chose. ``token``: the secret.

    ``mechanism``: the HT mechanism that the token is for. ``device``: the server's id of this device.
    ``api``: the base URL of the server's HTTP API.
    """

    address: str
    agent: str
    token: str
    mechanism: str
    device: str
    api: str

    @classmethod
    def of(cls, login: Mapping[str, Any], api: str) -> Credential:
        """The credential in the HTTP API's answer to a registration or a link. Raises KeyError."""
        names = ("address", "agent", "token", "mechanism", "device")
        return cls(**{name: str(login[name]) for name in names}, api=api)

    def save(self, db: Database) -> None:
        """Stores it beside the account's keys, readable by the owner only. Commits."""
        for name, value in asdict(self).items():
            db.set(_PREFIX + name, value)
        db.commit()
        db.flush_now()

    def with_token(self, token: str) -> Credential:
        """This credential with a new token, which replaces the current one."""
        return replace(self, token=token)

    @property
    def bearer(self) -> str:
        """The bearer token for the HTTP API."""
        text = f"{self.address.partition('@')[0]}:{self.agent}:{self.token}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def request(self, certificate: bytes, name: str) -> str:
        """SASL2's ``<authenticate/>`` with a proof of the token (XEP-0388, XEP-0484).

        ``certificate``: the server's, in DER, or empty without TLS. ``name``: the device's name for lists.
        """
        binding = endpoint(certificate) if self.mechanism.endswith("-ENDP") else b""
        proof = hmac.digest(self.token.encode(), b"Initiator" + binding, "sha256")
        data = b64encode(self.address.partition("@")[0].encode() + b"\0" + proof).decode()
        element = Element("authenticate", {"xmlns": SASL2, "mechanism": self.mechanism})
        SubElement(element, "initial-response").text = data
        agent = SubElement(element, "user-agent", {"id": self.agent})
        SubElement(agent, "software").text = "Kith"
        SubElement(agent, "device").text = name
        SubElement(element, "fast", {"xmlns": FAST})
        return tostring(element, encoding="unicode")

    def is_proof(self, proof: bytes, certificate: bytes) -> bool:
        """Whether this is the server's proof that it knows the token, too."""
        binding = endpoint(certificate) if self.mechanism.endswith("-ENDP") else b""
        expected = hmac.digest(self.token.encode(), b"Responder" + binding, "sha256")
        return hmac.compare_digest(expected, proof)


def endpoint(certificate: bytes) -> bytes:
    """The channel binding tls-server-end-point (RFC 5929 §4) of a certificate in DER."""
    from cryptography import x509  # only here, since it takes long to import

    algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    name = algorithm.name if algorithm is not None else "sha256"
    return hashlib.new(_HASHES.get(name, name), certificate).digest()


def load(folder: Path) -> Credential | None:
    """The stored credential of an account's folder; None if there is none.

    Works also while another program has the account open.
    """
    file = folder / "account.sqlite"
    if not file.exists():
        return None
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as sql:
        rows = sql.execute("SELECT key, value FROM meta WHERE key LIKE ?", (f"{_PREFIX}%",))
        held = {key.removeprefix(_PREFIX): value for key, value in rows}
        if all(held.get(field.name) for field in fields(Credential)):
            return Credential(**{field.name: held[field.name] for field in fields(Credential)})
    return None
