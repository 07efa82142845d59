"""Addresses of the old server as addresses of this one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from kith.base.numbers import canonical
from kith.wire.jid import JID, parse_jid


class Renaming:
    """Changes addresses of old domains into those of the domain that this server serves.

    ``domains``: the new domain for each old one. ``own``: the domain of this server.
    """

    def __init__(self, own: str, domains: Mapping[str, str]) -> None:
        self.own = own
        self._domains = dict(domains)
        self.jid = lru_cache(4096)(self._jid)

    def domain(self, text: str) -> str | None:
        """The domain of this server if ``text`` is its name or an old one, else None."""
        try:
            domain = parse_jid(text).domain
        except ValueError:
            return None
        domain = self._domains.get(domain, domain)
        return domain if domain == self.own else None

    def renames(self, text: str) -> bool:
        """Whether a domain gets another name."""
        try:
            domain = parse_jid(text).domain
        except ValueError:
            return False
        return self._domains.get(domain, domain) != domain

    def _jid(self, text: str) -> JID:
        """An address, with the new domain if it has an old one. Raises ValueError."""
        jid = parse_jid(text)
        domain = self._domains.get(jid.domain, jid.domain)
        local = canonical(jid.local) if domain == self.own else jid.local
        return JID(local, domain, jid.resource)
