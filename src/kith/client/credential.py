"""How this device logs in without a password: the token that it got by a code or by linking (XEP-0484)."""

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

from cryptography import x509

from kith.client.database import Database

SASL2 = "urn:xmpp:sasl:2"
FAST = "urn:xmpp:fast:0"
_HASHES = {"md5": "sha256", "sha1": "sha256"}  # RFC 5929 §4.1
_PREFIX = "device."


@dataclass(frozen=True, slots=True)
class Credential:
    """``agent`` is the id that this device has given itself; ``api``: where the server's HTTP API is."""

    address: str
    agent: str
    token: str
    mechanism: str
    device: str
    api: str

    @classmethod
    def of(cls, login: Mapping[str, Any], api: str) -> Credential:
        """What the HTTP API answers to a registration."""
        names = ("address", "agent", "token", "mechanism", "device")
        return cls(**{name: str(login[name]) for name in names}, api=api)

    def save(self, db: Database) -> None:
        """Beside the keys of the account, for its owner only. Commits."""
        for name, value in asdict(self).items():
            db.set(_PREFIX + name, value)
        db.commit()

    def renewed(self, token: str) -> Credential:
        """The server has given another token."""
        return replace(self, token=token)

    @property
    def bearer(self) -> str:
        """For the HTTP API."""
        text = f"{self.address.partition('@')[0]}:{self.agent}:{self.token}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def request(self, certificate: bytes, name: str) -> str:
        """``<authenticate/>`` of SASL2 with the token; ``certificate``: the server's, DER, or empty."""
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

    def answered(self, proof: bytes, certificate: bytes) -> bool:
        """Whether the server has shown that it has the token, too."""
        binding = endpoint(certificate) if self.mechanism.endswith("-ENDP") else b""
        wanted = hmac.digest(self.token.encode(), b"Responder" + binding, "sha256")
        return hmac.compare_digest(wanted, proof)


def endpoint(certificate: bytes) -> bytes:
    """tls-server-end-point of a certificate in DER (RFC 5929 §4)."""
    algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    name = algorithm.name if algorithm is not None else "sha256"
    return hashlib.new(_HASHES.get(name, name), certificate).digest()


def load(folder: Path) -> Credential | None:
    """What is stored for an account, also while another program has it open; None if there is nothing."""
    file = folder / "account.sqlite"
    if not file.exists():
        return None
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as sql:
        rows = sql.execute("SELECT key, value FROM meta WHERE key LIKE ?", (f"{_PREFIX}%",))
        held = {key.removeprefix(_PREFIX): value for key, value in rows}
        if all(held.get(field.name) for field in fields(Credential)):
            return Credential(**{field.name: held[field.name] for field in fields(Credential)})
    return None
