"""Signed addresses at a content delivery network (CDN), which is in front of the blob store.

A signature is valid for some hours. All addresses that are made within an hour are the same, so that browsers
and the CDN find a file in their caches.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kith.base.clock import Clock
from kith.ports.blobs import BlobError, Blobs, Serving, is_blob_id

#: Seconds within which the same address is given, and for how long it is valid after that.
_SAME = 3600
_VALID = 5 * 3600
_HASH = hashes.SHA256()


class Signer(Protocol):
    """Adds a signature to an address."""

    def sign(self, url: str, until: int) -> str:
        """The address, valid until a time in seconds since 1970."""


class CloudFront:
    """Signs as Amazon CloudFront expects it, with an RSA or ECDSA key pair and SHA-256.

    ``custom``: sends the policy in the address (a custom policy), and not only what it contains (a canned
    one). See "Use signed URLs" in the CloudFront Developer Guide.
    """

    def __init__(self, key_id: str, pem: bytes, custom: bool = False) -> None:
        """``pem``: the private key. Raises ValueError if it is none that CloudFront knows."""
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("it is no private key in PEM, or has a password") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError("CloudFront knows RSA and ECDSA keys alone")
        self._key_id = key_id
        self._key = key
        self._custom = custom

    def sign(self, url: str, until: int, since: int | None = None, network: str = "") -> str:
        """As `Signer.sign`. A custom policy can also say from when and from where the address may be used.

        ``since``: seconds since 1970; ``network``: an IP address or a network.
        """
        condition: dict[str, Any] = {"DateLessThan": {"AWS:EpochTime": until}}
        if since is not None:
            condition["DateGreaterThan"] = {"AWS:EpochTime": since}
        if network:
            condition["IpAddress"] = {"AWS:SourceIp": network}
        statement = {"Resource": url, "Condition": condition}
        policy = json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()
        custom = self._custom or len(condition) > 1
        said = f"Policy={_encoded(policy)}" if custom else f"Expires={until}"
        signature = _encoded(self._sign(policy))
        mark = "&" if "?" in url else "?"
        return f"{url}{mark}{said}&Signature={signature}&Key-Pair-Id={self._key_id}&Hash-Algorithm=SHA256"

    def _sign(self, policy: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(policy, padding.PKCS1v15(), _HASH)
        return self._key.sign(policy, ec.ECDSA(_HASH))


class HMAC:
    """Signs path and expiry with HMAC-SHA-256, which any CDN or proxy with a script can check.

    Adds ``?expires=SECONDS&signature=S``, where S is the HMAC of ``PATH?expires=SECONDS`` in base64url
    without padding.
    """

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError if the secret can be guessed."""
        if len(secret) < 16:
            raise ValueError("the secret has to have at least 16 bytes")
        self._secret = secret

    def sign(self, url: str, until: int) -> str:
        signed = f"{urlsplit(url).path}?expires={until}"
        digest = hmac.new(self._secret, signed.encode(), hashlib.sha256).digest()
        signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{url}?expires={until}&signature={signature}"


class DeliveredBlobs:
    """A `kith.ports.blobs.Blobs` whose downloads come from a CDN in front of ``blobs``.

    ``place``: the address of a blob without its id, with a slash at the end.
    """

    def __init__(self, blobs: Blobs, place: str, signer: Signer, clock: Clock) -> None:
        self._blobs = blobs
        self._place = place
        self._signer = signer
        self._clock = clock
        self.start, self.stop = blobs.start, blobs.stop
        self.put, self.size, self.remove = blobs.put, blobs.size, blobs.remove
        self.path, self.free = blobs.path, blobs.free

    async def address(self, blob: str, serving: Serving) -> str | None:
        if not is_blob_id(blob):
            raise ValueError("not the id of a blob")
        until = (int(self._clock.now()) // _SAME + 1) * _SAME + _VALID
        return self._signer.sign(self._place + blob, until)

    def read(self, blob: str, start: int, end: int) -> AsyncIterator[bytes]:
        return self._blobs.read(blob, start, end)

    def all(self) -> AsyncIterator[str]:
        return self._blobs.all()


def make_signer(kind: str, key_id: str, file: Path) -> Signer:
    """The signer of a kind: ``cloudfront``, ``cloudfront-custom`` or ``hmac``. Raises BlobError."""
    try:
        key = file.read_bytes()
        return HMAC(key.strip()) if kind == "hmac" else CloudFront(key_id, key, kind != "cloudfront")
    except OSError as error:
        raise BlobError(f"can't read media_cdn_key, {file}: {error.strerror}") from None
    except ValueError as error:
        raise BlobError(f"can't use media_cdn_key, {file}: {error}") from None


def _encoded(data: bytes) -> str:
    """Base64 with CloudFront's characters for those that mean something in addresses."""
    return base64.b64encode(data).translate(bytes.maketrans(b"+=/", b"-_~")).decode()
