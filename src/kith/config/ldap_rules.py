"""The rules for the settings of a directory of people (LDAP)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from kith.config.errors import wrong
from kith.config.settings import Config

#: What stands for the name of a person in ``ldap_filter``.
NAME = "{name}"


def addresses(urls: str) -> list[str]:
    """The servers of the directory, in the order in which they are asked."""
    return urls.split()


def check_ldap(config: Config, places: Mapping[str, str]) -> None:
    """Checks the settings whose names begin with ``ldap_``. Raises ConfigError."""
    given = [name for name in places if name.startswith("ldap_")]
    if not config.ldap_url:
        if given:
            raise wrong(given[0], places[given[0]], "it has no effect without ldap_url")
        return
    for url in addresses(config.ldap_url):
        if reason := _url_problem(url):
            raise wrong("ldap_url", places["ldap_url"], f"{url!r}: {reason}")
    if not config.ldap_base:
        raise wrong("ldap_url", places["ldap_url"], "it needs ldap_base, where people are in the directory")
    if NAME not in config.ldap_filter or not _is_balanced(config.ldap_filter):
        reason = f"{config.ldap_filter!r} is not a filter with {NAME}, like (uid={NAME})"
        raise wrong("ldap_filter", places.get("ldap_filter", "by default"), reason)
    if bool(config.ldap_user) != bool(config.ldap_password):
        name = "ldap_user" if config.ldap_user else "ldap_password"
        raise wrong(name, places[name], "ldap_user and ldap_password belong together")


def _url_problem(url: str) -> str:
    if not url.startswith(("ldaps://", "ldap://")):
        return "it has to start with ldaps:// or, with STARTTLS, ldap://"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if not host or parts.username is not None or parts.path not in ("", "/") or parts.query:
        return "only a host, and a port if it is another one"
    return ""


def _is_balanced(text: str) -> bool:
    """Whether a filter begins and ends with parentheses that belong together (RFC 4515)."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0 or (depth == 0 and place < len(text) - 1):
            return False
    return depth == 0 and text.startswith("(")
