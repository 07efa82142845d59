"""Web Push: RFC 8030 with encryption (RFC 8291) and the server's identification (RFC 8292).

The push service of a browser, or of UnifiedPush, learns which of its subscriptions is woken, by which server
and when. All pushes look the same to it: they have the same size, urgency and lifetime, whatever they are
for.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import aiohttp
import http_ece
from cryptography.hazmat.primitives.asymmetric import ec

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.secret import Secret
from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.push.carrier import Gone, Later, Wake
from kith.push.endpoints import Endpoints, Forbidden
from kith.push.pushing import Pushing
from kith.push.registration import Registration
from kith.push.retry_after import seconds
from kith.push.vapid import Vapid

CARRIER = "web"
#: How long a push service keeps a push for a device that is off, in seconds; a newer one replaces it.
TTL = 7 * 86400
#: The size of what is encrypted, in bytes.
_SIZE = 128
#: Sizes of a client's public key (an uncompressed point of P-256) and of its secret (RFC 8291 §3.1 and §3.2).
_KEY, _AUTH = 65, 16


class WebPush(Feature):
    """The carrier of pushes to the push services of browsers."""

    name = CARRIER

    def __init__(
        self, config: Config, domain: Domain, clock: Clock, secret: Secret, pushing: Pushing
    ) -> None:
        self._clock = clock
        self._pushing = pushing
        self._endpoints = Endpoints(config)
        self.vapid = Vapid(secret, clock, _contact(config, domain))
        self._session: aiohttp.ClientSession | None = None
        pushing.carriers[CARRIER] = self

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    def subscription(self, device: str, endpoint: str, key: bytes, auth: bytes) -> Registration:
        """The registration for a subscription of a device. Raises ValueError with a reason for people."""
        self._endpoints.check(endpoint)
        check_keys(key, auth)
        return Registration(
            CARRIER, endpoint, device=device, key=key, auth=auth, generation=self.vapid.generation
        )

    def place(self, registration: Registration) -> str:
        return urlsplit(registration.service).netloc

    async def push(self, owner: str, registration: Registration, wake: Wake) -> None:
        """Posts an encrypted push to the endpoint of a subscription (RFC 8030 §5)."""
        if not self.vapid.knows(registration.generation):
            raise Gone("it was made with a key that has ended")
        if self._session is None:
            self._session = self._endpoints.session()
        host = urlsplit(registration.service).hostname or ""
        headers = {
            "Authorization": self.vapid.authorization(_origin(registration.service), registration.generation),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL),
            "Topic": wake.topic,
            "Urgency": "high",
        }
        try:
            self._endpoints.check(registration.service)  # the settings may have changed
            async with self._session.post(
                registration.service,
                data=encrypted(registration, content(wake)),
                headers=headers,
                allow_redirects=False,
            ) as answer:
                status, wanted = answer.status, answer.headers.get("Retry-After")
        except (Forbidden, ValueError) as error:
            raise Later(str(error), mistake=True) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Later(
                f"{host} does not answer ({type(error).__name__})", mistake=_is_forbidden(error)
            ) from None
        if 200 <= status < 300:
            return
        if status in (404, 410):
            raise Gone(f"{host} answers {status}")
        passing = status in (408, 425, 429) or status >= 500
        raise Later(f"{host} answers {status}", seconds(wanted, self._clock.now()), mistake=not passing)


def check_keys(key: bytes, auth: bytes) -> None:
    """Raises ValueError, with a reason for people, unless they can be the keys of a subscription."""
    if len(key) != _KEY or len(auth) != _AUTH:
        raise ValueError("p256dh has to have 65 bytes, and auth 16")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        raise ValueError("p256dh is not a point of P-256") from None


def content(wake: Wake) -> bytes:
    """What a device gets: that something is there. Whether it is a call decides how it looks for it."""
    return json.dumps({"call": wake.call}).encode().ljust(_SIZE)


def encrypted(registration: Registration, data: bytes) -> bytes:
    """Data as the body of a push (RFC 8291), which only the subscription's owner can decrypt."""
    return http_ece.encrypt(  # type: ignore[no-any-return]
        data,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=registration.key,
        auth_secret=registration.auth,
        version="aes128gcm",
    )


def _origin(url: str) -> str:
    """The origin of a URL (RFC 6454 §6.2)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"https://{host}" if parts.port in (None, 443) else f"https://{host}:{parts.port}"


def _is_forbidden(error: BaseException) -> bool:
    """Whether a connection failed because it may not be made."""
    return isinstance(error, Forbidden) or isinstance(getattr(error, "os_error", None), Forbidden)


def _contact(config: Config, domain: Domain) -> str:
    """A URI by which a push service reaches the operator (RFC 8292 §2.1)."""
    for kind in ("admin", "support", "abuse"):
        for uri in config.contacts.get(kind, "").split():
            if uri.startswith(("mailto:", "https:")):
                return uri
    return f"https://{domain.name}"
