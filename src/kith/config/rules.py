"""The rules for settings that no type can express: addresses, and settings that depend on each other."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from kith.config.errors import ConfigError, wrong
from kith.config.ldap_rules import check_ldap
from kith.config.media_rules import check_media
from kith.config.relays import check_relays
from kith.config.settings import CLIENT_PORTS, PORTS, Config
from kith.config.sfus import check_sfus
from kith.config.sms_rules import check_sms
from kith.config.urls import url_problem
from kith.wire.jid import JID, parse_jid

#: The kinds of contact address that XEP-0157 knows.
_CONTACTS = frozenset(("abuse", "admin", "feedback", "sales", "security", "status", "support"))


def check(config: Config, places: Mapping[str, str]) -> None:
    """Checks rules between settings. Raises ConfigError for the first that is broken.

    ``places`` says for each setting that was given where it came from: a file or a variable.
    """
    check_domain(config, places)
    _check_addresses(config, places)
    _check_people(config, places)
    _check_ports(config, places)
    _check_certificate(config, places)
    check_sms(config, places)
    check_ldap(config, places)
    check_relays(config, places)
    check_sfus(config, places)
    check_media(config, places)
    _check_urls(config, places)
    _check_dns_server(config, places)


def _check_urls(config: Config, places: Mapping[str, str]) -> None:
    """The addresses that a reverse proxy gives to the server have to be origins."""
    for name in ("public_url", "media_url", "media_control_url"):
        url = getattr(config, name)
        if not url:
            continue
        if reason := url_problem(url):
            raise wrong(name, places[name], reason)
        parts = urlsplit(url)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            why = (
                "the app needs a host of its own"
                if name == "public_url"
                else "files need a host of their own"
            )
            raise wrong(name, places[name], f"only {parts.scheme}://{parts.netloc}, nothing behind it: {why}")
    if config.media_control_url and not config.media_secret:
        raise wrong("media_control_url", places["media_control_url"], "it needs the setting media_secret too")
    if config.media_secret and len(config.media_secret) < 32:
        raise wrong("media_secret", places["media_secret"], "at least 32 random characters")
    if config.media_url and config.media_url.rstrip("/") == config.public_url.rstrip("/"):
        reason = "it has to be another host than that of public_url, so that no file can act for the app"
        raise wrong("media_url", places["media_url"], reason)


def _check_dns_server(config: Config, places: Mapping[str, str]) -> None:
    if not config.dns_server:
        return
    host, _, port = config.dns_server.rpartition(":")
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if not 0 < int(port) < 65536:
            raise ValueError
    except ValueError:
        reason = f"{config.dns_server!r} is not an IP address and a port, like 192.0.2.1:53"
        raise wrong("dns_server", places["dns_server"], reason) from None


def check_domain(config: Config, places: Mapping[str, str]) -> None:
    """Checks the domain. Raises ConfigError."""
    try:
        jid = parse_jid(config.domain)
    except ValueError:
        raise wrong("domain", places["domain"], f"{config.domain!r} is not a domain") from None
    if jid.local or jid.resource:
        raise wrong("domain", places["domain"], f"only {jid.domain!r}, nothing before or after it")
    if jid.domain != config.domain:
        raise wrong("domain", places["domain"], f"write it as {jid.domain!r}")


def _check_addresses(config: Config, places: Mapping[str, str]) -> None:
    for name in ("listen", "component_listen", "metrics_listen", "media_control_listen"):
        if not getattr(config, name):
            raise wrong(name, places[name], "no address to listen on")
        for address in getattr(config, name):
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise wrong(name, places[name], f"{address!r} is not an IP address") from None
    for network in config.push_networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            reason = f"{network!r} is neither an IP address nor a network like 10.0.0.0/24"
            raise wrong("push_networks", places["push_networks"], reason) from None
    if config.push_apns_key is not None:
        for name in ("push_apns_key_id", "push_apns_team_id", "push_apns_topic"):
            if not getattr(config, name):
                raise wrong("push_apns_key", places["push_apns_key"], f"it needs {name}")
    for name in ("push_fcm_url", "push_apns_url", "push_apns_sandbox_url"):
        if not getattr(config, name).startswith("https://") or url_problem(getattr(config, name)):
            raise wrong(name, places[name], "it has to be the https address of a server")
    for proxy in config.trusted_proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            reason = f"{proxy!r} is neither an IP address nor a network like 10.0.0.0/24"
            raise wrong("trusted_proxies", places["trusted_proxies"], reason) from None


def _check_people(config: Config, places: Mapping[str, str]) -> None:
    for operator in config.operators:
        if not _is_account(operator, config.domain):
            reason = f"{operator!r} is not the address of an account here"
            raise wrong("operators", places["operators"], reason)
    for host, secret in config.components.items():
        if not _is_domain(host) or host == config.domain:
            raise wrong("components", places["components"], f"{host!r} is not another domain")
        if not secret:
            raise wrong("components", places["components"], f"{host} has no secret")
    for kind, addresses in config.contacts.items():
        if kind not in _CONTACTS or not all(":" in address for address in addresses.split()):
            raise wrong("contacts", places["contacts"], f"{kind} = {addresses!r} is not a kind and URIs")


def _check_ports(config: Config, places: Mapping[str, str]) -> None:
    used: dict[int, str] = {}
    for name in PORTS:
        port = getattr(config, name)
        if port and port in used:
            first, second = _named(used[port], places), _named(name, places)
            raise ConfigError(f"settings {first} and {second} are both {port}")
        used[port] = name
    if not any(getattr(config, name) for name in CLIENT_PORTS):
        named = ", ".join(_named(name, places) for name in CLIENT_PORTS)
        raise ConfigError(f"nobody could connect: settings {named} are all 0")


def _check_certificate(config: Config, places: Mapping[str, str]) -> None:
    if (config.certificate is None) != (config.private_key is None):
        given = "private_key" if config.certificate is None else "certificate"
        raise ConfigError(
            f"settings certificate and private_key belong together, only {_named(given, places)} is set"
        )


def _named(name: str, places: Mapping[str, str]) -> str:
    return f"{name} ({places.get(name, 'by default')})"


def _is_domain(text: str) -> bool:
    try:
        return parse_jid(text) == JID("", text)
    except ValueError:
        return False


def _is_account(text: str, domain: str) -> bool:
    """Whether a text is the bare, normalized address of an account of this domain."""
    try:
        jid = parse_jid(text)
    except ValueError:
        return False
    return bool(jid.local) and jid.domain == domain and str(jid) == text
