"""`kith doctor`: checks what a server needs, and says what to do about problems."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiodns

from kith.accounts.secret import has_secret
from kith.commands.fail import fail
from kith.commands.finding import Finding, Verdict, report
from kith.commands.push import check_push
from kith.commands.reach import DNS_SECONDS, look
from kith.commands.relay import check_relays
from kith.commands.sfu import check_sfus
from kith.commands.sizes import size
from kith.config import Config, ConfigError
from kith.config.rules import check_domain
from kith.edge.certificate import describe, ensure_certificate, own_files
from kith.edge.certificate_health import check_pair, troubles
from kith.edge.media_origin import greeting
from kith.ports.directory import DirectoryUnavailable
from kith.store.integrity import Check

_LOW_BYTES = 1 << 30
_SOON = timedelta(days=14)
#: Nothing of Kith is older, so a clock that shows an earlier day is wrong.
_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def doctor(config: Config) -> int:
    """Prints a report about this server. Returns the exit status: 1 if something is bad."""
    return report(
        [
            *_ports(config),
            *_certificate(config),
            _disk(config),
            *_media(config),
            _database(config),
            _clock(config),
            *_directory(config),
            *asyncio.run(check_relays(config)),
            *asyncio.run(check_sfus(config)),
            *asyncio.run(check_push(config, _is_public(config.domain), config.certificate is None)),
            *asyncio.run(_from_outside(config)),
        ]
    )


def doctor_of(domain: str) -> int:
    """Prints a report about another server, as clients see it. Returns the exit status as `doctor`."""
    config = Config(domain=domain)
    try:
        check_domain(config, {"domain": "the argument"})
    except ConfigError as error:
        fail(str(error))

    return report(asyncio.run(look(domain, f"https://{domain}")))


async def _from_outside(config: Config) -> list[Finding]:
    """DNS records, and what is reached where they lead."""
    found = await check_dns(config)
    if not _is_public(config.domain):
        return found
    reached = await look(config.domain, config.public_url, own=True, federation=config.federation)
    return [*found, *reached]


def _directory(config: Config) -> Iterator[Finding]:
    """Whether the directory of people answers, if there is one."""
    if not config.ldap_url:
        return
    from kith.directory.ldap import LDAPDirectory

    async def ask() -> None:
        directory = LDAPDirectory(config)
        try:
            await directory.existing(["kith-doctor"])
        finally:
            await directory.close()

    try:
        asyncio.run(ask())
    except DirectoryUnavailable as error:
        yield Finding("directory", Verdict.BAD, str(error), "look at the settings that begin with ldap_")
    else:
        yield Finding("directory", Verdict.GOOD, f"{config.ldap_url} answers")


def _ports(config: Config) -> Iterator[Finding]:
    own_media = () if config.media_control_url else ("media_http_port", "media_https_port")
    for setting in ("xmpp_port", "xmpps_port", "http_port", "https_port", *own_media):
        port = getattr(config, setting)
        what = f"port {port}" if port else setting
        if not port:
            yield Finding(what, Verdict.NOTE, "is switched off")
            continue
        silent = [address for address in _addresses(config) if not _is_kith(config, setting, address, port)]
        if not silent:
            yield Finding(what, Verdict.GOOD, "Kith answers")
            continue
        if len(silent) < len(_addresses(config)):
            todo = "see whether another program has the port there (ss -ltnp), and restart Kith"
            yield Finding(what, Verdict.BAD, f"Kith does not answer at {', '.join(silent)}", todo)
            continue
        here = _addresses(config)[0]
        with socket.socket(socket.AF_INET6 if ":" in here else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((here, port))
            except PermissionError:
                todo = f"use a port above 1023 (KITH_{setting.upper()}), or give kith CAP_NET_BIND_SERVICE"
                yield Finding(what, Verdict.BAD, "can't be used by this user", todo)
            except OSError:
                todo = f"stop the program that uses it (ss -ltnp), or set KITH_{setting.upper()}"
                yield Finding(what, Verdict.BAD, "another program uses it", todo)
            else:
                yield Finding(what, Verdict.NOTE, "is free; Kith is not running", "start it: kith serve")


def _addresses(config: Config) -> list[str]:
    """Where to ask: the addresses that the server listens on; instead of all of them, the loopback."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    found = [loopback.get(address, address) for address in config.listen]
    usable = [address for address in found if address != "::1" or _has_ipv6()]
    return usable or found


def _has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback; the server does without it, too."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


#: How the description of the API begins on this server and no other.
_NAME = b'"title":"Kith"'


def _is_kith(config: Config, setting: str, address: str, port: int) -> bool:
    """Whether a Kith server of this domain answers at an address."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    media = greeting(config.domain).encode()
    path = "/health" if setting.startswith("media") else "/api/openapi.json"
    question = f"GET {path} HTTP/1.0\r\nHost: {config.domain}\r\n\r\n"
    if setting.startswith("xmpp"):
        question = (
            f"<stream:stream to='{config.domain}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        )
    try:
        with socket.create_connection((address, port), 2) as plain:
            secured = setting in ("xmpps_port", "https_port", "media_https_port")
            with context.wrap_socket(plain) if secured else plain as connection:
                connection.sendall(question.encode())
                answer = b""
                while len(answer) < 65536 and (data := connection.recv(4096)):
                    answer += data
                    if b"stream:features" in answer or _NAME in answer or media in answer:
                        break
    except OSError:
        return False
    return _NAME in answer or media in answer or f"from='{config.domain}'".encode() in answer


def _certificate(config: Config) -> Iterator[Finding]:
    what = "certificate"
    if config.certificate is None and not own_files(config)[0].exists():
        yield Finding(what, Verdict.NOTE, "none yet; kith serve makes a self-signed one")
        return
    try:
        certificate, key = ensure_certificate(config)
        check_pair(certificate, key)
        found = troubles(certificate, config.domain)
        until = f"valid until {describe(certificate).not_after:%Y-%m-%d}"
    except (OSError, ValueError, ConfigError) as error:
        yield Finding(what, Verdict.BAD, str(error), "check certificate and private_key")
        return
    for trouble in found:
        verdict = Verdict.BAD if trouble.bad else Verdict.NOTE
        yield Finding(what, verdict, trouble.text, trouble.todo)
    if not found:
        yield Finding(what, Verdict.GOOD, until)


def _disk(config: Config) -> Finding:
    folder = config.data_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    probe = folder / f".doctor-{time.time_ns()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        todo = "let the user who runs kith write there, or set data_dir"
        return Finding("disk", Verdict.BAD, f"can't write to {folder}: {error.strerror}", todo)
    text = f"{size(free)} free at {folder.resolve()}"
    if free < _LOW_BYTES:
        return Finding("disk", Verdict.BAD, text, "make room, or set retention_days")
    return Finding("disk", Verdict.GOOD, text)


def _media(config: Config) -> Iterator[Finding]:
    """Whether files can be uploaded: room on the disk that they lie on, or a media server elsewhere."""
    if not config.has_media or config.media_control_url:
        return
    folder = config.media_folder
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    room = shutil.disk_usage(folder).free - config.media_free_bytes
    text = f"{size(max(room, 0))} can be uploaded to {folder.resolve()}"
    if room < config.media_file_bytes:
        todo = "make room (kith media usage), or lower media_free_bytes or media_days"
        yield Finding("files", Verdict.BAD if room <= 0 else Verdict.NOTE, text, todo)
    else:
        yield Finding("files", Verdict.GOOD, text)


def _database(config: Config) -> Finding:
    path = config.database
    if not path.exists() and has_secret(config.data_dir / "secret"):
        todo = "put it back or restore a backup; to begin with no accounts, remove the file `secret`"
        return Finding("database", Verdict.BAD, f"{path} is gone, though a server has used this folder", todo)
    if not path.exists():
        return Finding("database", Verdict.NOTE, "none yet; kith serve makes one")
    problems = Check(path).run()
    if problems:
        todo = "keep a copy, then restore a backup; or save what can be read: sqlite3 kith.sqlite .recover"
        return Finding("database", Verdict.BAD, f"{path} is damaged: {problems[0]}", todo)
    return Finding("database", Verdict.GOOD, f"all {size(path.stat().st_size)} are sound")


def _clock(config: Config) -> Finding:
    """Compares the clock with the newest file of the data folder.

    A clock that is behind dates new messages wrongly.
    """
    now = datetime.now(UTC)
    newest = _FIRST_DAY
    if config.data_dir.is_dir():
        for path in config.data_dir.iterdir():
            newest = max(newest, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    if now < newest - timedelta(seconds=5):
        text = f"says {now:%Y-%m-%d %H:%M}, earlier than the data in {config.data_dir}"
        return Finding(
            "clock", Verdict.BAD, text, "set it, and keep it set with NTP (timedatectl set-ntp true)"
        )
    return Finding("clock", Verdict.GOOD, f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _is_public(domain: str) -> bool:
    return domain != "localhost" and "." in domain


async def check_dns(config: Config, resolver: aiodns.DNSResolver | None = None) -> list[Finding]:
    """Checks the DNS records by which clients find the server, with the system's resolver by default."""
    domain = config.domain
    if not _is_public(domain):
        return [Finding("DNS", Verdict.NOTE, f"{domain} is only for this machine: no records needed")]
    resolver = resolver or aiodns.DNSResolver(timeout=DNS_SECONDS, tries=1)
    findings = []
    wanted = (
        (f"_xmpp-client._tcp.{domain}", "SRV", config.xmpp_port),
        (f"_xmpps-client._tcp.{domain}", "SRV", config.xmpps_port),
        (domain, "A", 0),
        (domain, "AAAA", 0),
    )
    for name, kind, port in wanted:
        if kind == "SRV" and not port:
            continue
        findings.append(await _record(resolver, name, kind, domain, port))
    return findings


async def _record(resolver: aiodns.DNSResolver, name: str, kind: str, domain: str, port: int) -> Finding:
    what = f"DNS {kind}"
    try:
        query: Any = resolver.query
        answer = await asyncio.wait_for(query(name, kind), DNS_SECONDS + 1)
    except (aiodns.error.DNSError, TimeoutError):
        if kind == "SRV":
            todo = f"add: {name}. 3600 IN SRV 0 5 {port} {domain}."
            usual = port in (5222,) and name.startswith("_xmpp-")
            text = f"no {name}" + ("; clients will try port 5222 by themselves" if usual else "")
            return Finding(what, Verdict.NOTE, text, todo)
        verdict = Verdict.NOTE if kind == "AAAA" else Verdict.BAD
        return Finding(what, verdict, f"no {kind} record for {name}", "add one with this server's address")
    if kind == "SRV":
        ports = sorted({record.port for record in answer})
        if port not in ports:
            return Finding(
                what, Verdict.BAD, f"{name} names port {ports}, Kith listens on {port}", "make them agree"
            )
        return Finding(what, Verdict.GOOD, f"{name} → port {port}")
    return Finding(what, Verdict.GOOD, f"{name} → {', '.join(record.host for record in answer)}")
