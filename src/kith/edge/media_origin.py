"""The origins at which clients reach the media server: scheme, host and port."""

from __future__ import annotations

from urllib.parse import urlsplit

from kith.config import Config
from kith.edge.certificate import ascii_domain

#: The relation of the link to the media server in host-meta, and that link's property with the canonical
#: origin (docs/media.md).
RELATION = "urn:kith:media:0"
CANONICAL = "urn:kith:media:0#canonical"
_USUAL = {"https": 443, "http": 80}


def origin(scheme: str, host: str, port: int) -> str:
    """An origin as text, without the port if it is the scheme's usual one."""
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port == _USUAL[scheme] else f"{scheme}://{name}:{port}"


def canonical_origin(config: Config) -> str:
    """The origin that addresses of blobs begin with, as other servers' people see them too.

    Empty if there is no media server.
    """
    if config.media_url:
        parts = urlsplit(config.media_url)
        return origin(parts.scheme, parts.hostname or "", parts.port or _USUAL[parts.scheme])
    name = ascii_domain(config.domain)
    if config.media_https_port:
        return origin("https", name, config.media_https_port)
    return origin("http", name, config.media_http_port) if config.media_http_port else ""


def origin_for(config: Config, host: str, secure: bool) -> str:
    """The origin for a web page that was loaded from ``host``, a name of this server without a port.

    ``secure``: whether the page came over TLS from this server itself. A page over TLS may not load anything
    without. Empty if there is no media server.
    """
    if config.media_url:
        return canonical_origin(config)
    if not secure and config.media_http_port:
        return origin("http", host, config.media_http_port)
    return origin("https", host, config.media_https_port) if config.media_https_port else ""


def download_origin(config: Config) -> str:
    """The origin to which downloads are redirected: of a CDN, or of a bucket.

    Empty if the media server sends them itself.
    """
    if config.media_cdn_url:
        url = config.media_cdn_url
    elif config.media_store == "s3" and config.media_s3_direct:
        url = config.media_s3_endpoint or f"https://s3.{config.media_s3_region or 'us-east-1'}.amazonaws.com"
    else:
        return ""
    parts = urlsplit(url)
    return origin(parts.scheme, parts.hostname or "", parts.port or _USUAL[parts.scheme])


def greeting(domain: str) -> str:
    """What a media server answers when somebody asks whether it is there."""
    return f"media server of {domain}"
