"""Prosody and ejabberd from Debian's packages, beside which Kith is measured.

Loopback only, accounts ``u0``, ``u1`` and so on with the password ``secret``, no limits on rates, the modules
that correspond to what Kith has switched on. With ``archive`` every message of every account is kept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
from lab import Server, free_port, listening, on_core

#: What all of Prosody's settings here begin with.
PROSODY = """
run_as_root = true
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
http_ports = {{ {http} }}
s2s_ports = {{}}
plugin_paths = {{ "/usr/lib/prosody/modules" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
network_backend = "epoll"
gc = {{ mode = "generational" }}
storage = "internal"
log = {{ warn = "{folder}/prosody.log" }}
"""
_PROSODY = (
    PROSODY
    + """
c2s_direct_tls_ports = {{ {secure} }}
https_ports = {{ {https} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "carbons", "pep", "blocklist", "vcard4", "private",
  "ping", "mam", "smacks", "csi_simple", "websocket", "offline" }}
modules_disabled = {{ "s2s", "limits" }}
network_settings = {{ tcp_backlog = 4096, read_timeout = {read_timeout} }}
default_archive_policy = {archive}
certificates = "{folder}"
c2s_direct_tls_ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/certificate.pem" }}
https_ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/certificate.pem" }}
VirtualHost "localhost"
  ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/certificate.pem" }}
Component "conference.localhost" "muc"
  modules_enabled = {{ "muc_mam" }}
  muc_log_by_default = {archive}
"""
)
_EJABBERD = """
hosts: [localhost]
loglevel: error
certfiles: ["{folder}/both.pem"]
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    starttls: true
    access: c2s
auth_method: internal
auth_password_format: plain
access_rules: {{c2s: {{allow: all}}, local: {{allow: all}}}}
shaper_rules: {{max_user_sessions: 10, max_user_offline_messages: 100000}}
default_db: mnesia
modules:
  mod_adhoc: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_mam: {{assume_mam_usage: true, default: {archive}, db_type: mnesia}}
  mod_muc: {{host: "conference.localhost", default_room_options: {{mam: {kept}}}}}
  mod_offline: {{access_max_user_messages: max_user_offline_messages}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub: {{plugins: [flat, pep], ignore_pep_from_offline: true}}
  mod_roster: {{}}
  mod_stream_mgmt: {{resend_on_timeout: if_offline}}
  mod_vcard: {{search: false}}
"""
_REGISTER = (
    "ok = application:start(sasl), {{ok, _}} = application:ensure_all_started(ejabberd), "
    '[ejabberd_auth:try_register(<<"u", (integer_to_binary(I))/binary>>, <<"localhost">>, <<"secret">>) '
    '|| I <- lists:seq(0, {last})], file:write_file("{ready}", <<"ok">>).'
)


def has_prosody() -> bool:
    return shutil.which("prosody") is not None


def has_ejabberd() -> bool:
    return _ejabberd_code() != [] and shutil.which("erl") is not None


def _ejabberd_code() -> list[Path]:
    return sorted(Path("/usr/lib").glob("**/ejabberd-*/ebin"))


def certificate(folder: Path) -> None:
    """A key and a certificate of its own for localhost: ``key.pem``, ``certificate.pem``, ``both.pem``."""
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem "
        "-out certificate.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    both = (folder / "certificate.pem").read_bytes() + (folder / "key.pem").read_bytes()
    (folder / "both.pem").write_bytes(both)


@contextlib.contextmanager
def _running(name: str, command: list[str], folder: Path, port: int, **environ: str) -> Iterator[Server]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*on_core(), *command],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        listening(port)
        yield Server(name, port, psutil.Process(process.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@contextlib.contextmanager
def prosody(folder: Path, users: int, *, archive: bool, read_timeout: float = 840) -> Iterator[Server]:
    """Prosody with its own files as storage.

    ``read_timeout``: its default, seconds of silence after which it asks whether somebody is there.
    """
    folder.mkdir()
    certificate(folder)
    accounts = folder / "data" / "localhost" / "accounts"
    accounts.mkdir(parents=True)
    for number in range(users):
        (accounts / f"u{number}.dat").write_text('return {\n\t["password"] = "secret";\n};\n')
    port = free_port()
    kept = "true" if archive else "false"
    config = folder / "prosody.cfg.lua"
    ports = {"port": port, "secure": free_port(), "http": free_port(), "https": free_port()}
    config.write_text(_PROSODY.format(folder=folder, archive=kept, read_timeout=f"{read_timeout:g}", **ports))
    name = f"Prosody, archive {'on' if archive else 'off'}"
    with _running(name, ["prosody", "--config", str(config), "-F"], folder, port) as server:
        yield replace(server, secure=ports["secure"], https=ports["https"])


@contextlib.contextmanager
def ejabberd(folder: Path, users: int, *, archive: bool) -> Iterator[Server]:
    """ejabberd with Mnesia, on one scheduler."""
    folder.mkdir()
    certificate(folder)
    port = free_port()
    config, ready = folder / "ejabberd.yml", folder / "ready"
    kept = "always" if archive else "never"
    config.write_text(
        _EJABBERD.format(folder=folder, port=port, archive=kept, kept="true" if archive else "false")
    )
    command = ["erl", "-noinput", "+K", "true", "+P", "1000000", "+Q", "200000", "+S", "1:1"]
    command += ["+sbwt", "none", "-env", "ERL_MAX_PORTS", "200000"]
    for path in _ejabberd_code():
        command += ["-pa", str(path)]
    command += ["-mnesia", "dir", f'"{folder}/database"']
    command += ["-eval", _REGISTER.format(last=users - 1, ready=ready)]
    environ = {
        "EJABBERD_CONFIG_PATH": str(config),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
        "ERL_CRASH_DUMP": str(folder / "crash"),
        "HOME": str(folder),
    }
    name = f"ejabberd, archive {'on' if archive else 'off'}"
    with _running(name, command, folder, port, **environ) as server:
        for _ in range(1200):
            if ready.exists():
                break
            time.sleep(0.1)
        else:
            raise TimeoutError((folder / "output").read_text())
        yield server
