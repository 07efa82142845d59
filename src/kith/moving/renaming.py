"""Addresses of the old server as addresses of this one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from kith.base.numbers import canonical
from kith.wire.jid import JID, parse_jid


class Renaming:
    """Changes addresses of old domains into those of the domain that this server serves.

    ``domains``: the new domain for each old one. ``own``: the domain of this server, whose rooms are at
    ``rooms``.
    """

    def __init__(self, own: str, domains: Mapping[str, str]) -> None:
        self.own = own
        self.rooms = f"groups.{own}"
        self._domains = {f"groups.{old}": self.rooms for old, new in domains.items() if new == own}
        self._domains |= domains
        self.jid = lru_cache(4096)(self._jid)

    def domain(self, text: str) -> str | None:
        """The domain of this server if ``text`` is its name or an old one, else None."""
        try:
            domain = parse_jid(text).domain
        except ValueError:
            return None
        domain = self._domains.get(domain, domain)
        return domain if domain == self.own else None

    def add_rooms(self, text: str) -> bool:
        """Notes that a domain has rooms. Returns whether they are taken, as those of an old domain are."""
        domain = text.lower()
        if self._domains.get(domain, domain) == self.rooms:
            return True
        parent = domain.partition(".")[2]
        if domain in self._domains or not parent or self._domains.get(parent, parent) != self.own:
            return False
        self._domains[domain] = self.rooms
        self.jid.cache_clear()
        return True

    def renames(self, text: str) -> bool:
        """Whether a domain gets another name."""
        try:
            domain = parse_jid(text).domain
        except ValueError:
            return False
        return self._domains.get(domain, domain) != domain

    def bare(self, text: str) -> str | None:
        """The bare address, with the new domain if it has an old one; None if the text is no address."""
        try:
            return self.jid(text).bare
        except ValueError:
            return None

    def _jid(self, text: str) -> JID:
        """An address, with the new domain if it has an old one. Raises ValueError."""
        jid = parse_jid(text)
        domain = self._domains.get(jid.domain, jid.domain)
        local = canonical(jid.local) if domain == self.own else jid.local
        return JID(local, domain, jid.resource)
