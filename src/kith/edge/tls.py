"""TLS settings, reloading of certificates, and channel bindings."""

from __future__ import annotations

import ssl
from asyncio import BaseTransport
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kith.edge.certificate_health import check_pair
from kith.edge.exporter import tls_exporter
from kith.edge.peer_certificates import ask_for_certificates, peer_certificate
from kith.ports.connection import Security

#: The ALPN protocol (XEP-0368 §3.2).
ALPN_XMPP = "xmpp-client"


def peer_address(transport: BaseTransport) -> str:
    """The peer's IP address; empty if it is unknown."""
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else ""


class Certificates:
    """The server's TLS contexts for a certificate. `reload` reads its files again when they have changed.

    ``expires``: when the certificate expires, in seconds since 1970. ``federation``: whether there are
    connections with other servers. ``authorities``: a file with certification authorities that are trusted
    for these, besides those of the system. ``servers``: the context for servers that connect here; it
    requests their certificates only if this build of Python makes that possible. ``to_servers``: the context
    for connecting to other servers.
    """

    def __init__(
        self, certificate: Path, key: Path, federation: bool = False, authorities: Path | None = None
    ) -> None:
        self.certificate = certificate
        self.key = key
        self.starttls = self._context(None)
        self.direct = self._context([ALPN_XMPP])
        self.https = self._context(["http/1.1"])
        self.servers = self._context(None)
        self.to_servers = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.to_servers.minimum_version = ssl.TLSVersion.TLSv1_2
        self.to_servers.load_cert_chain(certificate, key, password="")
        if federation:
            self._trust(authorities)
        self._seen = self._stamp()
        self._read()

    def _trust(self, authorities: Path | None) -> None:
        """Sets who may vouch for other servers. It takes a moment to load the authorities of the system."""
        for context in (self.servers, self.to_servers):
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            if authorities is not None:
                context.load_verify_locations(authorities)
        ask_for_certificates(self.servers)

    def _context(self, protocols: list[str] | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.num_tickets = 1  # one is enough for a client, and each costs a kilobyte
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.load_cert_chain(self.certificate, self.key, password="")
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def _stamp(self) -> tuple[int, int]:
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns

    def _read(self) -> None:
        """Reads the certificate's names, and its tls-server-end-point binding (RFC 5929 §4.1)."""
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None or isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
            algorithm = hashes.SHA256()
        self.end_point = certificate.fingerprint(algorithm)
        self.expires = certificate.not_valid_after_utc.timestamp()
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            self._names = frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))
        except (x509.ExtensionNotFound, ValueError):
            self._names = frozenset()

    def is_for(self, host: str) -> bool:
        """Whether the certificate is valid for a host name (RFC 6125 §6.4)."""
        return host in self._names or f"*.{host.partition('.')[2]}" in self._names

    def reload(self) -> bool:
        """Reads the files again if they have changed. Raises OSError, ssl.SSLError, ValueError."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        check_pair(self.certificate, self.key)
        for context in (self.starttls, self.direct, self.https, self.servers, self.to_servers):
            context.load_cert_chain(self.certificate, self.key, password="")
        self._read()
        self._seen = stamp
        return True

    def security(self, transport: BaseTransport) -> Security:
        """The security of a connection after its handshake, with channel bindings (XEP-0440).

        tls-unique is only defined up to TLS 1.2 (RFC 9266 §1). Some clients use it in TLS 1.3 anyway, with
        what OpenSSL returns for it, the client's Finished message. It is not announced then, but accepted,
        since these clients would otherwise send the password itself.
        """
        tls = transport.get_extra_info("ssl_object")
        bindings, tolerated, classic = {"tls-server-end-point": self.end_point}, {}, True
        if tls is not None:
            exported, unique = tls_exporter(tls), tls.get_channel_binding("tls-unique") or b""
            if exported:
                bindings = {"tls-exporter": exported, **bindings}
            if tls.version() != "TLSv1.3":
                bindings |= {"tls-unique": unique} if unique else {}
            else:
                tolerated = {"tls-unique": unique} if unique else {}
                classic = exported is not None
        return Security(
            encrypted=True,
            bindings=bindings,
            tolerated=tolerated,
            classic_plus=classic,
            address=peer_address(transport),
        )

    def server_security(self, transport: BaseTransport) -> Security:
        """The security of a connection from another server after its handshake, with its certificate."""
        tls = transport.get_extra_info("ssl_object")
        shown = peer_certificate(tls) if tls is not None else None
        return Security(
            encrypted=True,
            address=peer_address(transport),
            certificate=shown.der if shown is not None else b"",
            certificate_problem=shown.problem if shown is not None else "",
        )
