"""A small internet on loopback: a name server, an authority for certificates, servers of domains."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier
from dnslib import QTYPE, RR
from dnslib.server import DNSServer

from tests.conftest import RunningServer, free_ports


class Authority:
    """Makes certificates that who trusts ``file`` trusts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
        made = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._sign(made).public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._key, hashes.SHA256())

    def certificate(
        self, name: str, *, names: str, usage: ObjectIdentifier | None = None, days: int = 1
    ) -> tuple[Path, Path]:
        """Files of a certificate for the domain ``names`` and of its key.

        ``usage``: what it is for, if not for everything. ``days``: until it expires.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names)])
        builder = self._builder(subject, key, days).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(names), x509.DNSName(f"*.{names}")]), False
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        files[0].write_bytes(self._sign(builder).public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


class Names:
    """A name server; ``zone`` has records by name and type, each as text."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.zone: dict[tuple[str, str], list[str]] = {}
        self._server = DNSServer(self, port=self.port, address="127.0.0.1")

    def resolve(self, request, handler):  # type: ignore[no-untyped-def]
        """Called by dnslib."""
        reply = request.reply()
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        for text in self.zone.get((name, kind), ()):
            reply.add_answer(*RR.fromZone(f"{name}. 1 IN {kind} {text}"))
        if not reply.rr and not any(known == name for known, _ in self.zone):
            reply.header.rcode = 3
        return reply

    def add(self, domain: str, port: int, service: str = "xmpp-server") -> None:
        """A server of ``domain`` on loopback."""
        self.zone[domain, "A"] = ["127.0.0.1"]
        self.zone[f"_{service}._tcp.{domain}", "SRV"] = [f"0 5 {port} {domain}."]

    def start(self) -> None:
        self._server.start_thread()

    def stop(self) -> None:
        self._server.stop()


class World:
    """What the servers of one test share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = Names()
        self.authority = Authority(folder)

    @contextlib.contextmanager
    def kith(
        self,
        domain: str,
        *,
        certificate_for: str = "",
        people: Sequence[str] = ("ann", "ben"),
        **settings: str,
    ) -> Iterator[RunningServer]:
        """A Kith of that domain, with these people."""
        name = domain.replace(".", "-")
        certificate, key = self.authority.certificate(name, names=certificate_for or domain)
        (port,) = free_ports(1)
        self.names.add(domain, port)
        server = RunningServer(
            self.folder / name,
            **{
                "domain": domain,
                "federation": "on",
                "federation_port": str(port),
                "federation_ca": str(self.authority.file),
                "dns_server": f"127.0.0.1:{self.names.port}",
                "certificate": str(certificate),
                "private_key": str(key),
            }
            | settings,
        )
        server.domain = domain
        server.start()
        try:
            for person in people:
                server.add_user(person)
            yield server
        finally:
            server.kill()
        lines = server.log.read_text().splitlines()
        errors = [line for line in lines if "level=error" in line]
        named = [line for line in errors if "event=certificate " in line]
        assert errors == named, errors
        assert bool(named) is bool(certificate_for)  # it is for another name


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    made = World(folder)
    made.names.start()
    try:
        yield made
    finally:
        made.names.stop()
