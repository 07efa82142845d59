"""The rules for the settings of the blob store and the CDN."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from kith.config.errors import wrong
from kith.config.settings import Config
from kith.config.urls import url_problem


def check_media(config: Config, places: Mapping[str, str]) -> None:
    """Checks the settings whose names begin with ``media_s3`` and ``media_cdn``. Raises ConfigError."""
    if config.media_store == "s3" and not config.media_s3_bucket:
        raise wrong("media_store", places["media_store"], "s3 needs media_s3_bucket")
    if bool(config.media_s3_key_id) != bool(config.media_s3_secret):
        name = "media_s3_key_id" if config.media_s3_key_id else "media_s3_secret"
        raise wrong(name, places[name], "media_s3_key_id and media_s3_secret belong together")
    for name in ("media_s3_endpoint", "media_cdn_url"):
        if (url := getattr(config, name)) and (reason := _problem(url)):
            raise wrong(name, places[name], reason)
    if not config.media_cdn_url:
        return
    if config.media_cdn_key is None:
        raise wrong(
            "media_cdn_url", places["media_cdn_url"], "it needs media_cdn_key, to sign addresses with"
        )
    if config.media_cdn_kind != "hmac" and not config.media_cdn_key_id:
        raise wrong("media_cdn_url", places["media_cdn_url"], "CloudFront needs media_cdn_key_id")


def _problem(url: str) -> str:
    """Why paths can't be added to the address of a server; empty if they can."""
    if reason := url_problem(url):
        return reason
    parts = urlsplit(url)
    return "nothing may stand behind the path" if parts.query or parts.fragment else ""
