"""Debian's OpenLDAP server as a process of a test, with people in it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ldap3 import ALL_ATTRIBUTES, SUBTREE, Connection, Server

from tests.conftest import free_ports
from tests.federation.world import Authority

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{BASE}", "Adm1n"
#: The entry as which Kith searches. Nobody else may see anything.
READER, READER_PASSWORD = f"cn=kith,{BASE}", "Re4der"

_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
sizelimit {limit}
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {password}
directory {folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by anonymous auth by * none
"""


class Slapd:
    """``plain`` and ``secure`` are its URLs. ``ca``: the authority of its certificate."""

    def __init__(self, folder: Path, limit: int = 500) -> None:
        program = shutil.which("slapd", path="/usr/sbin:/usr/bin")
        assert program, "slapd is missing: `make test` installs it (debian-packages.txt)"
        authority = Authority(folder)
        certificate, key = authority.certificate("ldap", names="localhost")
        self.ca = authority.file
        self._ports = free_ports(2)
        self.plain, self.secure = f"ldap://localhost:{self._ports[0]}", f"ldaps://localhost:{self._ports[1]}"
        (folder / "db").mkdir()
        config = folder / "slapd.conf"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                certificate=certificate,
                key=key,
                limit=limit,
                base=BASE,
                admin=ADMIN,
                password=ADMIN_PASSWORD,
                reader=READER,
            )
        )
        urls = " ".join(
            f"{kind}://127.0.0.1:{port}" for kind, port in zip(("ldap", "ldaps"), self._ports, strict=True)
        )
        self._command = [program, "-d", "0", "-f", str(config), "-h", urls]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it listens."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        for port in self._ports:
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                assert self._process.poll() is None, "slapd does not start"
                assert time.monotonic() < deadline, "slapd does not listen"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def freeze(self, frozen: bool) -> None:
        """Lets it accept connections and answer nothing, or go on."""
        assert self._process is not None
        self._process.send_signal(19 if frozen else 18)

    def fill(self) -> None:
        """Adds the tree and the entry of Kith."""
        with self._admin() as admin:
            admin.add(BASE, ["dcObject", "organization"], {"o": "Example", "dc": "example"})
            admin.add(PEOPLE, ["organizationalUnit"], {"ou": "people"})
            admin.add(
                READER,
                ["person", "simpleSecurityObject"],
                {"sn": "Kith", "cn": "kith", "userPassword": READER_PASSWORD},
            )

    def add(self, name: str, password: str = "pw", kind: str = "staff", unit: str = PEOPLE) -> None:
        """A person, whose ``employeeType`` is ``kind``."""
        attributes = {"cn": name, "sn": name, "uid": name, "userPassword": password, "employeeType": kind}
        with self._admin() as admin:
            assert admin.add(f"cn={name},{unit}", ["inetOrgPerson"], attributes), admin.result

    def remove(self, *names: str) -> None:
        with self._admin() as admin:
            for name in names:
                assert admin.delete(f"cn={name},{PEOPLE}"), admin.result

    def names(self) -> Sequence[Any]:
        with self._admin() as admin:
            admin.search(PEOPLE, "(objectClass=inetOrgPerson)", SUBTREE, attributes=ALL_ATTRIBUTES)
            return list(admin.entries)

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Any]:
        connection = Connection(Server(self.plain), ADMIN, ADMIN_PASSWORD, auto_bind=True)
        try:
            yield connection
        finally:
            connection.unbind()

    def settings(self, **more: str) -> dict[str, str]:
        """Kith's settings for it."""
        return {
            "ldap_url": self.secure,
            "ldap_base": PEOPLE,
            "ldap_user": READER,
            "ldap_password": READER_PASSWORD,
            "ldap_ca": str(self.ca),
            **more,
        }


@contextlib.contextmanager
def slapd(folder: Path, limit: int = 500) -> Iterator[Slapd]:
    """A server that runs, and is stopped in any case."""
    it = Slapd(folder, limit)
    it.start()
    try:
        it.fill()
        yield it
    finally:
        it.stop()
