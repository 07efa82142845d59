"""What the rules for all settings that are URLs have in common."""

from __future__ import annotations

from urllib.parse import urlsplit


def url_problem(url: str) -> str:
    """Why a text is not the URL of a server over HTTP; empty if it is one."""
    if not url.startswith(("https://", "http://")):
        return "it has to start with https:// or http://"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    return "" if host and parts.username is None else "it has to name a host, and no user"
