"""Prosody and ejabberd, as Debian has them, that write their accounts as XEP-0227."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests import ejabberd
from tests.conftest import free_ports
from tests.moving.life import PASSWORDS
from tests.raw import RawClient


class Other:
    """A server of another kind. ``export`` writes its accounts into a folder, after `stop`."""

    def __init__(self, folder: Path, domain: str) -> None:
        self.folder = folder
        self.domain = domain
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, command: list[str], environ: dict[str, str]) -> None:
        with (self.folder / "out").open("wb") as out:
            self._process = subprocess.Popen(
                command, env=os.environ | environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((self.folder / "out").read_text()[-4000:])

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


class Prosody(Other):
    """Its accounts have SCRAM keys, which is Debian's default."""

    _STORES = "accounts roster vcard private pep-pubsub archive-archive"

    def start(self) -> None:
        modules = (
            "roster saslauth disco pep presence register_ibr private blocklist vcard_legacy mam offline ping"
        )
        quoted = " ".join(f'"{name}";' for name in modules.split())
        config = self.folder / "prosody.cfg.lua"
        config.write_text(
            f"""
run_as_root = true
data_path = "{self.folder}/data"
pidfile = "{self.folder}/pid"
modules_enabled = {{ {quoted} }}
modules_disabled = {{ "s2s" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
authentication = "internal_hashed"
default_archive_policy = true
log = {{ debug = "{self.folder}/log" }}
VirtualHost "{self.domain}"
Component "rooms.{self.domain}" "muc"
modules_enabled = {{ "muc_mam"; "vcard_muc" }}
muc_log_by_default = true
"""
        )
        (self.folder / "data").mkdir(exist_ok=True)
        self._run([_program("prosody"), "-F", "--config", str(config)], {})

    async def register(self) -> None:
        for user, password in PASSWORDS.items():
            client = RawClient(self.port, self.domain)
            await client.connect()
            client.open()
            await client.tag("features")
            form = f"<username>{user}</username><password>{password}</password>"
            await client.result("set", f"<query xmlns='jabber:iq:register'>{form}</query>")
            client.abort()

    def export(self) -> Path:
        """Runs prosody-migrator. Its format has no block lists and messages that wait.

        It writes into the data folder of Debian's Prosody, which is a line of the program; so this runs a
        copy with another one.
        """
        written = self.folder / "written"
        written.mkdir()
        program = Path(_program("prosody-migrator")).read_text()
        program, count = re.subn("(?m)^CFG_DATADIR=.*$", f"CFG_DATADIR='{written}'", program)
        assert count == 1
        copy = self.folder / "prosody-migrator"
        copy.write_text(program)
        copy.chmod(0o755)
        stores = "".join(f'"{name}";' for name in self._STORES.split())
        config = self.folder / "migrator.cfg.lua"
        config.write_text(
            f"""
local stores = {{ {stores} }}
input {{ hosts = {{ ["{self.domain}"] = stores }}; type = "internal"; path = "{self.folder}/data" }}
output {{ hosts = {{ ["{self.domain}"] = stores }}; type = "xep0227" }}
"""
        )
        done = subprocess.run(
            [str(copy), "--root", "--keep-going", f"--config={config}", "input", "output"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return written


class Ejabberd(Other):
    """It registers its accounts at the start, and exports when it is told to by a file."""

    def start(self) -> None:
        folder = self.folder
        (folder / "ejabberd.yml").write_text(
            f"""
hosts: ["{self.domain}"]
loglevel: error
listen:
  - {{port: {self.port}, ip: "127.0.0.1", module: ejabberd_c2s, access: all}}
auth_method: internal
auth_password_format: scram
disable_sasl_mechanisms: []
acl: {{local: {{user_regexp: ""}}}}
access_rules: {{local: {{allow: local}}}}
modules:
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_disco: {{}}
  mod_mam: {{default: always, db_type: mnesia}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub: {{plugins: [flat, pep], ignore_pep_from_offline: false}}
  mod_roster: {{}}
  mod_vcard: {{search: false}}
"""
        )
        (folder / "written").mkdir()
        people = ", ".join(
            f'{{<<"{user}">>, <<{",".join(map(str, password.encode()))}>>}}'
            for user, password in PASSWORDS.items()
        )
        program = (
            "ok = application:start(sasl), {ok, _} = application:ensure_all_started(ejabberd), "
            f'[ejabberd_auth:try_register(U, <<"{self.domain}">>, P) || {{U, P}} <- [{people}]], '
            f'Wait = fun W() -> case filelib:is_file("{folder}/export") of true -> ok; '
            "false -> timer:sleep(100), W() end end, "
            f'spawn(fun() -> Wait(), R = ejabberd_piefxis:export_server(<<"{folder}/written">>), '
            f'file:write_file("{folder}/exported", io_lib:format("~p", [R])) end).'
        )
        self._run(*ejabberd.command(folder, program))

    def export(self) -> Path:
        (self.folder / "export").touch()
        for _ in range(300):
            if (self.folder / "exported").exists():
                break
            time.sleep(0.1)
        assert (self.folder / "exported").read_text() == "ok"
        return self.folder / "written"


def _program(name: str) -> str:
    program = shutil.which(name, path="/usr/bin:/usr/local/bin:/usr/sbin")
    assert program is not None, f"Debian's {name} is missing: `make test` installs it"
    return program
