"""Addresses of files on other servers, and the signed permissions to get them through this one."""

from __future__ import annotations

import hmac
import ipaddress
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from yarl import URL

from kith.edge.public import is_own, is_public

#: What the key of permissions is derived for (`kith.base.secret.Secret.key`).
USE = "media-foreign"
#: For how many seconds a permission is valid: as long as a film is watched.
VALID = 6 * 3600
_MAC_BYTES = 32
_URL_BYTES = 2000
#: The ports that are used for files: that of https, and those that need no privileges.
_HTTPS, _FIRST_FREE = 443, 1024


class NotFetchable(Exception):
    """An address is not one that the server fetches files from. The text says why."""


class Permission(msgspec.Struct, frozen=True, array_like=True):
    """That an account may fetch a file.

    ``owner``: the account, as the message server calls it; ``expires``: in seconds since 1970.
    """

    url: str
    owner: str
    expires: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Permission).decode


def sign(permission: Permission, key: bytes) -> str:
    """The token of a permission: its content and an HMAC-SHA-256 of it, in base64url."""
    content = _encode(permission)
    return urlsafe_b64encode(hmac.digest(key, content, "sha256") + content).decode().rstrip("=")


def read(token: str, key: bytes) -> Permission:
    """The permission of a token, whether or not it has expired. Raises ValueError."""
    data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    mac, content = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not hmac.compare_digest(mac, hmac.digest(key, content, "sha256")):
        raise ValueError("not signed by this server")
    return _decode(content)


def checked(text: str, private: bool = False) -> URL:
    """The address of a file on another server. Raises NotFetchable.

    ``private``: whether it may be on a private network. Names are not looked up here: see
    `kith.edge.public`.
    """
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > _URL_BYTES:
        raise NotFetchable("not an address, or too long")
    if "#" in text:
        raise NotFetchable("without the fragment: it may contain a key")
    try:
        url = URL(text, encoded=True)
        host, port = url.host, url.port
    except ValueError:
        raise NotFetchable("not an address") from None
    if url.scheme != "https" or not host:
        raise NotFetchable("only https")
    if url.user is not None or url.password is not None:
        raise NotFetchable("without user and password")
    if port != _HTTPS and (port is None or port < _FIRST_FREE):
        raise NotFetchable("this port is not used for files")
    if not private and not _may_be_public(host):
        raise NotFetchable("only public addresses")
    return url


def _may_be_public(host: str) -> bool:
    """Whether a host is a public IP address, or a name of which that is not known yet."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # names without a dot and forms like 0x7f.1 or 2130706433 that some resolvers take for addresses
        last = host.rstrip(".").rpartition(".")[2]
        return "." in host.rstrip(".") and not last[:1].isdigit() and last.lower() != "localhost"
    return is_public(host) and not is_own(host)
