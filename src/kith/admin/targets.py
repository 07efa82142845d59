"""Parses what operators name: accounts, and the numbers, countries and networks that they ban.

Everything gets the one form in which it is compared later, so that another notation is no way around a ban.
"""

from __future__ import annotations

import ipaddress
import re

import phonenumbers

from kith.accounts.numbers import InvalidNumber, e164
from kith.base.numbers import canonical, canonical_prefix
from kith.config import Config
from kith.records.bans import Kind
from kith.wire.jid import JID, parse_jid

#: The widest networks that can be banned: prefix lengths for IPv4 and IPv6.
_WIDEST = {4: 8, 6: 16}
#: Whoever has one IPv6 address has a whole network of this length.
_IPV6_HOST = 64
_LOOPBACK = ("127.0.0.0/8", "::1/128")
_SEPARATORS = re.compile(r"[\s().\u2010-\u2015/-]+")
_DIGITS = re.compile(r"\+[0-9]{1,15}", re.ASCII)


def account_address(domain: str, text: str) -> str:
    """The bare address of an account on this server, from an address or only the user name.

    A phone number may be written in several ways. Raises ValueError with a line for the operator.
    """
    if "@" not in text and text.lstrip().startswith("+"):
        text = _SEPARATORS.sub("", text)
    try:
        jid = parse_jid(text if "@" in text else f"{text}@{domain}")
    except ValueError:
        raise ValueError(f"{text!r} is not an address") from None
    if jid.resource or not jid.local:
        raise ValueError(f"{text!r} is not the address of an account, as name@{domain} is")
    if jid.domain != domain:
        raise ValueError(f"{jid.bare} is not on {domain}, which this server serves")
    return JID(canonical(jid.local), jid.domain).bare


def peer_address(domain: str, text: str) -> str:
    """The bare address of somebody whom people write to; empty if the text is.

    Without an @ or a dot, it is the name of an account of this server. Raises ValueError.
    """
    if not text:
        return ""
    if "@" in text or "." in text:
        return parse_jid(text).bare
    return account_address(domain, text)


def guess_kind(text: str) -> Kind:
    """What a text most probably names: a number, a prefix (with ``*``), a network, or an account."""
    if text.startswith("+"):
        return "prefix" if text.endswith("*") else "number"
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "account"
    return "network"


def ban_value(config: Config, kind: Kind, text: str) -> str:
    """The value of a ban (`kith.records.bans.Ban`). Raises ValueError with a line for the operator."""
    text = text.strip()
    match kind:
        case "account":
            return account_address(config.domain, text).removesuffix(f"@{config.domain}")
        case "number":
            return _number(text, config.phone_country)
        case "prefix":
            return _prefix(text)
        case "country":
            return _country(text)
        case "network":
            return _network(config, text)
        case "suspension":
            raise ValueError("only an account can be suspended")


def _number(text: str, country: str) -> str:
    try:
        return e164(text, country)
    except InvalidNumber:
        plain = _SEPARATORS.sub("", text)
        if _DIGITS.fullmatch(plain) and len(plain) >= 8:
            return canonical(plain)  # one that has an account although it is of no usual kind
        raise ValueError(f"{text!r} is not a phone number; write it like +491701234567") from None


def _prefix(text: str) -> str:
    plain = _SEPARATORS.sub("", text.removesuffix("*"))
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    if not _DIGITS.fullmatch(plain):
        raise ValueError(f"{text!r} is not the beginning of a number; write it like +4917")
    return canonical_prefix(plain)


def _country(text: str) -> str:
    country = text.upper()
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text!r} is not a country; write two letters, like DE")
    return country


def _network(config: Config, text: str) -> str:
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is neither an IP address nor a network like 192.0.2.0/24") from None
    if net.version == 6:
        mapped = net.network_address.ipv4_mapped
        if mapped is not None and net.prefixlen >= 96:
            net = ipaddress.ip_network((mapped, net.prefixlen - 96))
        elif net.prefixlen > _IPV6_HOST:
            net = net.supernet(new_prefix=_IPV6_HOST)
    if net.prefixlen < _WIDEST[net.version]:
        raise ValueError(f"{net} is too wide: at least /{_WIDEST[net.version]}")
    if any(_overlap(net, own) for own in (*_LOOPBACK, *config.trusted_proxies)):
        raise ValueError(f"{net} is that of this machine or of a trusted proxy, so it would ban everybody")
    return str(net)


def _overlap(net: ipaddress.IPv4Network | ipaddress.IPv6Network, text: str) -> bool:
    other = ipaddress.ip_network(text, strict=False)
    return net.version == other.version and net.overlaps(other)
