"""Looks at a server as clients see it: its DNS records, then each address and port that they name.

On the server itself, this shows whether names, ports and certificates fit together. It does not show what a
firewall before the machine does, since a machine reaches its own addresses without leaving. So the same can
be asked on any other machine (``kith doctor DOMAIN``). No third party is involved.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiodns

from kith.commands.finding import Finding, Verdict

#: Seconds for one query, and for one address and port.
DNS_SECONDS = 3.0
REACH_SECONDS = 6.0
#: How many addresses of a host, and hosts of a service, are tried.
_MAX = 4
_READ = 65536
#: From so many days before its end on, a certificate is worth a note.
_SOON_DAYS = 14
_HEADER = (
    "<stream:stream to='{}' version='1.0' xmlns='jabber:{}' xmlns:stream='http://etherx.jabber.org/streams'>"
)
_STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
_OPERATOR = "renew the certificate, or set certificate and private_key"


class Place(NamedTuple):
    """Where others connect: ``kind`` is ``starttls``, ``tls``, ``server`` or ``web``."""

    what: str
    kind: str
    host: str
    port: int


class Problem(Exception):
    """Why a place can't be used. ``bad``: also if it was asked from the server itself."""

    def __init__(self, text: str, bad: bool) -> None:
        super().__init__(text)
        self.bad = bad


async def look(
    domain: str,
    web: str,
    resolver: aiodns.DNSResolver | None = None,
    context: ssl.SSLContext | None = None,
    own: bool = False,
    federation: bool = False,
) -> list[Finding]:
    """Asks all places of a domain. ``web``: the URL of its web app; empty if it has none.

    ``own``: this is the server itself, so an address that is not reached is only worth a note.
    ``federation``: other servers can reach it, also without a DNS record that says where.
    """
    resolver = resolver or aiodns.DNSResolver(timeout=DNS_SECONDS, tries=1)
    context = context or ssl.create_default_context()
    places = await _places(domain, web, resolver, federation)
    found = await asyncio.gather(*(_ask(place, domain, resolver, context, own) for place in places))
    return [finding for findings in found for finding in findings]


async def _places(domain: str, web: str, resolver: aiodns.DNSResolver, federation: bool) -> list[Place]:
    """Where clients and other servers look for a domain (RFC 6120 §3.2, XEP-0368)."""
    plain = await _srv(resolver, f"_xmpp-client._tcp.{domain}") or [(domain, 5222)]
    direct = await _srv(resolver, f"_xmpps-client._tcp.{domain}")
    places = [Place("XMPP", "starttls", host, port) for host, port in plain[:_MAX]]
    places += [Place("XMPP, TLS", "tls", host, port) for host, port in direct[:_MAX]]
    servers = await _srv(resolver, f"_xmpp-server._tcp.{domain}")
    if federation and not servers:
        servers = [(domain, 5269)]
    places += [Place("other servers", "server", host, port) for host, port in servers[:_MAX]]
    if web:
        parts = urlsplit(web)
        places.append(Place("web app", "web", parts.hostname or "", parts.port or 443))
    return places


async def _srv(resolver: aiodns.DNSResolver, name: str) -> list[tuple[str, int]]:
    try:
        records = await asyncio.wait_for(_query(resolver, name, "SRV"), DNS_SECONDS + 1)
    except (aiodns.error.DNSError, TimeoutError):
        return []
    records = sorted(records, key=lambda record: (record.priority, -record.weight))
    return [(record.host.rstrip("."), record.port) for record in records if record.host.strip(".")]


def _query(resolver: aiodns.DNSResolver, name: str, kind: str) -> Any:
    query: Any = resolver.query
    return query(name, kind)


async def _addresses(resolver: aiodns.DNSResolver, host: str) -> list[str]:
    """The addresses of a host. Raises Problem if it has none."""
    try:
        return [str(ipaddress.ip_address(host.strip("[]")))]
    except ValueError:
        pass
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            records = await asyncio.wait_for(_query(resolver, host, kind), DNS_SECONDS + 1)
        except (aiodns.error.DNSError, TimeoutError):
            continue
        found += [record.host for record in records]
    if not found:
        raise Problem(f"DNS has no address of {host}", bad=True)
    return found[:_MAX]


async def _ask(
    place: Place, domain: str, resolver: aiodns.DNSResolver, context: ssl.SSLContext, own: bool
) -> list[Finding]:
    what = f"{place.what} {place.host}:{place.port}"
    try:
        addresses = await _addresses(resolver, place.host)
    except Problem as problem:
        return [Finding(what, Verdict.BAD, str(problem), f"add an A record for {place.host}")]
    ask: Callable[[Place, str, str, ssl.SSLContext], Awaitable[dict[str, Any]]] = {
        "starttls": _starttls,
        "server": _starttls,
        "tls": _direct,
        "web": _web,
    }[place.kind]
    findings: list[Finding] = []
    good: list[str] = []
    until: datetime | None = None
    for address in addresses:
        if ":" in address and not _has_route(address):
            findings.append(Finding(what, Verdict.NOTE, f"{address} not tried: there is no IPv6 here"))
            continue
        try:
            async with asyncio.timeout(REACH_SECONDS):
                certificate = await ask(place, address, domain, context)
        except (Problem, OSError, TimeoutError, ssl.SSLError) as error:
            findings.append(_failed(what, address, error, own))
            continue
        good.append(address)
        until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    if good and until is not None:
        text = f"answers at {', '.join(good)}, certificate valid until {until:%Y-%m-%d}"
        soon = (until - datetime.now(UTC)).days < _SOON_DAYS
        todo = "see why nothing renews it" if soon else ""
        findings.insert(0, Finding(what, Verdict.NOTE if soon else Verdict.GOOD, text, todo))
    return findings


def _failed(what: str, address: str, error: Exception, own: bool) -> Finding:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate at {address} is refused: {error.verify_message}"
        return Finding(what, Verdict.BAD, text, _OPERATOR)
    if isinstance(error, Problem) and error.bad:
        return Finding(what, Verdict.BAD, f"at {address}: {error}")
    reason = "no answer in time" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)
    text = f"not reached at {address}: {reason}"
    if what.startswith("web app") and not own:
        return Finding(what, Verdict.NOTE, text, "perhaps the web app has another name than the domain")
    if own:
        todo = "look at firewall and port forwarding, and ask on another machine: kith doctor DOMAIN"
        return Finding(what, Verdict.NOTE, text, todo)
    return Finding(what, Verdict.BAD, text, "look at firewall and port forwarding, and whether it runs")


def _has_route(address: str) -> bool:
    """Whether this machine could send something to an IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
    except OSError:
        return False
    return True


async def _starttls(place: Place, address: str, domain: str, context: ssl.SSLContext) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection(address, place.port)
    try:
        kind = "server" if place.kind == "server" else "client"
        writer.write(_HEADER.format(domain, kind).encode())
        features = await _until(reader, rb"</stream:features>|<stream:features/>|</stream:stream>")
        if b"xmpp-tls" not in features:
            raise Problem("an XMPP server answers, but offers no TLS for this domain", bad=True)
        writer.write(_STARTTLS)
        await _until(reader, rb"<proceed[^>]*>")
        await writer.start_tls(context, server_hostname=domain)
        return _certificate(writer)
    finally:
        writer.close()


async def _direct(place: Place, address: str, domain: str, context: ssl.SSLContext) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection(address, place.port, ssl=context, server_hostname=domain)
    try:
        writer.write(_HEADER.format(domain, "client").encode())
        await _until(reader, rb"<stream:features|</stream:stream>")
        return _certificate(writer)
    finally:
        writer.close()


async def _web(place: Place, address: str, domain: str, context: ssl.SSLContext) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection(
        address, place.port, ssl=context, server_hostname=place.host
    )
    try:
        host = place.host if place.port == 443 else f"{place.host}:{place.port}"
        writer.write(f"GET /health HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = await reader.read(_READ)
        if not re.match(rb"HTTP/1\.[01] 200", answer):
            status = answer.partition(b"\r\n")[0][:60].decode("latin-1")
            raise Problem(f"a web server answers, but not Kith behind it ({status or 'nothing'})", bad=True)
        return _certificate(writer)
    finally:
        writer.close()


async def _until(reader: asyncio.StreamReader, wanted: bytes) -> bytes:
    """Reads until a pattern is there. Raises Problem."""
    got = b""
    while not re.search(wanted, got):
        data = await reader.read(4096)
        got += data
        if not data or len(got) > _READ:
            raise Problem("something answers that is no XMPP server for this domain", bad=True)
    return got


def _certificate(writer: asyncio.StreamWriter) -> dict[str, Any]:
    found: dict[str, Any] = writer.get_extra_info("ssl_object").getpeercert()
    return found
