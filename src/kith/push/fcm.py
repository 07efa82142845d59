"""Firebase Cloud Messaging: the HTTP v1 API, for native apps on Android.

The server identifies itself with the key of a service account, for which Google gives a token that is valid
for an hour (OAuth 2.0, RFC 7523). An app's token is registered at ``/api/push/native``.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from kith.base.clock import Clock
from kith.config import Config
from kith.push.carrier import Gone, Later, Wake
from kith.push.native import COLLAPSE, TTL, Answer, Line, NativeError, read_key, sealed, signed
from kith.push.registration import Registration
from kith.push.tokens import Tokens

CARRIER = "fcm"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: A token of ours is for so many seconds; the one of the service is renewed so many seconds before its end.
_VALID, _EARLIER = 3600, 300
#: A refused token is not renewed more often than in so many seconds.
_PAUSE = 60.0
#: To wait after 429 if the service does not say (as its documentation says), in seconds.
_QUOTA = 60.0
#: The codes that say that a token will never work: the app was removed, or the token is another project's.
_ENDS = ("UNREGISTERED", "SENDER_ID_MISMATCH")
#: A token that no app has.
_NOBODY = "kith-doctor"


class Fcm:
    """The carrier of pushes to apps on Android. Raises NativeError if the service account can't be used."""

    name = CARRIER

    def __init__(self, config: Config, clock: Clock) -> None:
        assert config.push_fcm_key is not None
        text = read_key("push_fcm_key", config.push_fcm_key)
        try:
            account = json.loads(text)
            self.project, self._email, self._key, self._token_url = (
                str(account[name]) for name in ("project_id", "client_email", "private_key", "token_uri")
            )
        except (ValueError, TypeError, KeyError):
            raise NativeError("push_fcm_key is not the JSON file of a service account") from None
        if urlsplit(self._token_url).scheme != "https":
            raise NativeError("push_fcm_key has a token_uri without https")
        self._clock = clock
        self._assertion()  # whether the key can be used
        self._url = f"{config.push_fcm_url.rstrip('/')}/v1/projects/{self.project}/messages:send"
        self._line = Line(config, clock, "FCM")
        self._tokens = Tokens(self._fetch, clock, _PAUSE)

    async def stop(self) -> None:
        await self._line.close()

    def place(self, registration: Registration) -> str:
        return registration.service

    async def push(self, owner: str, registration: Registration, wake: Wake) -> None:
        message = {
            "token": registration.node,
            "data": {"kith": "1"} | ({"push": found} if (found := sealed(registration, wake)) else {}),
            "android": {"priority": "HIGH", "ttl": f"{TTL}s", "collapse_key": COLLAPSE},
        }
        try:
            answer = await self._send({"message": message})
        except NativeError as error:
            raise Later(str(error)) from None
        if answer.status == 200:
            return
        code, said = _codes(answer), f"FCM answers {answer.status} {_code_text(answer)}".rstrip()
        if any(one in code for one in _ENDS):
            raise Gone(said)
        wait = answer.wait or (_QUOTA if answer.status == 429 else 0.0)
        # only an argument that is wrong is the registration's fault; the rest is for the operator to mend
        raise Later(said, wait, mistake=answer.status == 400)

    async def check(self) -> str:
        """Has a message to nobody validated, which shows whether the service account may send."""
        answer = await self._send({"validate_only": True, "message": {"token": _NOBODY}})
        if answer.status in (401, 403):
            raise NativeError(f"FCM refuses the service account: {answer.status} {_code_text(answer)}")
        if answer.status == 404 and "UNREGISTERED" not in _codes(answer):
            raise NativeError(f"FCM does not know the project {self.project}")
        if answer.status in (200, 400, 404):
            return f"FCM accepts the service account of {self.project}"
        raise Later(f"FCM answers {answer.status}")

    async def _send(self, body: dict[str, Any]) -> Answer:
        """Raises Later, NativeError. A token that is refused is renewed once."""
        token: str | None = await self._tokens.get()
        answer = await self._post(str(token), body)
        if answer.status == 401 and (token := await self._tokens.after(str(token))) is not None:
            answer = await self._post(token, body)
        return answer

    async def _post(self, token: str, body: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self._line.post(self._url, headers, json.dumps(body).encode())

    def _assertion(self) -> str:
        now = int(self._clock.now())
        claims = {"iss": self._email, "scope": _SCOPE, "aud": self._token_url}
        return signed(claims | {"iat": now, "exp": now + _VALID}, self._key, "RS256", {})

    async def _fetch(self) -> tuple[str, float]:
        """A token of the service (RFC 7523 §2.1). Raises Later, NativeError."""
        form = urlencode({"grant_type": _GRANT, "assertion": self._assertion()}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._line.post(self._token_url, headers, form)
        token, lifetime = answer.body.get("access_token"), answer.body.get("expires_in")
        if answer.status == 200 and isinstance(token, str) and isinstance(lifetime, int):
            return token, max(60.0, lifetime - _EARLIER)
        if answer.status in (400, 401, 403):
            reason = answer.body.get("error_description") or answer.body.get("error") or answer.status
            raise NativeError(f"Google refuses the service account: {str(reason)[:200]}")
        raise Later(f"Google gives no token: {answer.status}", answer.wait)


def _codes(answer: Answer) -> list[str]:
    """The codes of an error: that of FCM, and the status of Google's APIs."""
    error = answer.body.get("error")
    if not isinstance(error, dict):
        return []
    details = error.get("details")
    found = [
        str(one.get("errorCode"))
        for one in (details if isinstance(details, list) else ())
        if isinstance(one, dict) and one.get("errorCode")
    ]
    return [*found, str(error.get("status", ""))]


def _code_text(answer: Answer) -> str:
    found = _codes(answer)
    return found[0][:100] if found else ""
