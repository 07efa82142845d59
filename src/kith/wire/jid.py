"""XMPP addresses (RFC 7622). They are prepared once, compared by value, and cached, since a few occur often.

Every address and user name from a peer is prepared here. The size of each part is checked before anything
else, and the work is linear in that size (`kith.wire.precis`).
"""

from __future__ import annotations

import functools
import ipaddress
from typing import NamedTuple

import idna

from kith.wire.precis import OPAQUE_STRING, USERNAME_CASE_MAPPED, looks_around

_FORBIDDEN_LOCAL = frozenset("\"&'/:<>@")
#: The maximum size of each part, in bytes (RFC 7622 §3.1).
MAX_PART = 1023
#: Longer addresses are not cached, so that peers can't fill the memory.
_MAX_CACHED = 128
#: The maximum size of a domain, and of each of its labels, in bytes (RFC 1035 §2.3.4).
_MAX_DOMAIN = 253
_MAX_LABEL = 63
#: Characters for each of which the idna library scans the whole label.
_MAX_LOOKING_AROUND = 16


class _Parts(NamedTuple):
    local: str
    domain: str
    resource: str
    bare: str


class JID(_Parts):
    """An address ``local@domain/resource``. ``local`` and ``resource`` may be empty.

    ``bare`` is ``local@domain``, or only the domain. It is stored because every stanza needs it.
    """

    __slots__ = ()

    def __new__(cls, local: str, domain: str, resource: str = "") -> JID:
        return super().__new__(cls, local, domain, resource, f"{local}@{domain}" if local else domain)

    @property
    def is_bare(self) -> bool:
        return not self.resource

    def with_resource(self, resource: str) -> JID:
        """This address with another resource, which has to be prepared already."""
        return JID(self.local, self.domain, resource)

    def to_bare(self) -> JID:
        return JID(self.local, self.domain) if self.resource else self

    def __str__(self) -> str:
        return f"{self.bare}/{self.resource}" if self.resource else self.bare


def _check(part: str, what: str) -> str:
    if not part or len(part) > MAX_PART or len(part.encode()) > MAX_PART:
        raise ValueError(f"{what} has to have 1 to {MAX_PART} bytes")
    return part


def _prepare_domain(domain: str) -> str:
    domain = domain.removesuffix(".")
    _check(domain, "domain")
    if domain.startswith("[") and domain.endswith("]") and "%" not in domain:
        return f"[{ipaddress.IPv6Address(domain[1:-1])}]"
    if domain.isascii() and domain.replace(".", "").replace("-", "").isalnum():
        domain = domain.lower()
        labels = domain.split(".")
        if len(domain) > _MAX_DOMAIN or any(
            not 0 < len(label) <= _MAX_LABEL or label[0] == "-" or label[-1] == "-" for label in labels
        ):
            raise ValueError(f"not a domain: {domain!r}")
        if "xn--" not in domain:
            return domain
    try:
        return _check(_international(domain), "domain")
    except idna.IDNAError as error:
        raise ValueError(f"not a domain: {domain!r}") from error


def _international(domain: str) -> str:
    """The domain in U-labels (RFC 5892), by IDNA 2008 after the mapping of UTS 46. Raises ValueError.

    The library compares some characters with all others of a label, so their number is limited first.
    """
    mapped = idna.uts46_remap(domain, std3_rules=False).removesuffix(".")
    if len(mapped) > _MAX_DOMAIN or any(len(label) > _MAX_LABEL for label in mapped.split(".")):
        raise ValueError("domain is too long")
    labels = (
        label[4:].encode().decode("punycode") if label.startswith("xn--") and label.isascii() else label
        for label in mapped.split(".")
    )
    if sum(map(looks_around, labels)) > _MAX_LOOKING_AROUND:
        raise ValueError("domain has too many characters that depend on others")
    return idna.decode(idna.encode(mapped))


def prepare_local(local: str) -> str:
    """Prepares a local part with the UsernameCaseMapped profile (RFC 7622 §3.3). Raises ValueError."""
    _check(local, "local part")
    if local.isascii() and local.isalnum():
        return local.lower()
    prepared = str(USERNAME_CASE_MAPPED.enforce(local))
    if not _FORBIDDEN_LOCAL.isdisjoint(prepared):
        raise ValueError("local part has a forbidden character")
    return _check(prepared, "local part")


def prepare_resource(resource: str) -> str:
    """Prepares a resource with the OpaqueString profile (RFC 7622 §3.4). Raises ValueError."""
    _check(resource, "resource")
    return _check(str(OPAQUE_STRING.enforce(resource)), "resource")


def _parse(text: str) -> JID:
    rest, slash, resource = text.partition("/")
    local, at, domain = rest.rpartition("@") if "@" in rest else ("", "", rest)
    if (at and not local) or (slash and not resource):
        raise ValueError("empty part in address")
    return JID(
        prepare_local(local) if local else "",
        _prepare_domain(domain),
        prepare_resource(resource) if resource else "",
    )


_parse_cached = functools.lru_cache(maxsize=32768)(_parse)


def parse_jid(text: str) -> JID:
    """Parses and prepares an address.

    Raises ValueError (perhaps a UnicodeError) if ``text`` is not an address (RFC 7622 §3).
    """
    if len(text) > 3 * MAX_PART + 2:
        raise ValueError("address is too long")
    return _parse_cached(text) if len(text) <= _MAX_CACHED else _parse(text)
