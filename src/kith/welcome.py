"""The text that a starting server prints: where it listens, and what to do next."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kith.config import Config
from kith.console import SafeConsole
from kith.edge.certificate import Description


def _command() -> str:
    """How to call the `kith` command from the working directory."""
    if shutil.which("kith"):
        return "kith"
    path = Path(sys.executable).with_name("kith")
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return str(path)


def show(config: Config, certificate: Description, accounts: int, web_app: bool = False) -> None:
    """Prints the text to standard output.

    ``accounts``: how many there are. ``web_app``: whether the web app is served.
    """
    console = SafeConsole(soft_wrap=True)
    console.print()
    console.print(Text.assemble(("Kith", "bold green"), " is running for ", (config.domain, "bold"), "."))
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    if config.xmpp_port:
        table.add_row("XMPP clients", f"{config.domain} port {config.xmpp_port} (STARTTLS)")
    if config.xmpps_port:
        table.add_row("", f"{config.domain} port {config.xmpps_port} (TLS)")
    if config.http_port:
        table.add_row("WebSocket", f"ws://{config.domain}:{config.http_port}/xmpp-websocket")
    if config.https_port:
        table.add_row("", f"wss://{config.domain}:{config.https_port}/xmpp-websocket")
    table.add_row("Data", str(config.data_dir.resolve()))
    if certificate.self_signed:
        table.add_row("Certificate", "self-signed; clients will ask whether to trust SHA-256")
        half = len(certificate.fingerprint) // 2
        table.add_row("", certificate.fingerprint[:half])
        table.add_row("", certificate.fingerprint[half:].lstrip(":"))
    else:
        table.add_row("Certificate", f"valid until {certificate.not_after:%Y-%m-%d}")
    table.add_row("Accounts", str(accounts) if accounts else "none yet")
    console.print(Padding(table, (1, 2)))
    name = "you" if not accounts else "friend"
    steps = Table.grid(padding=(0, 3))
    kith = _command()
    steps.add_row("Add a person", f"{kith} user add {name}@{config.domain}")
    if config.registration == "phone":
        where = "" if config.http_port == 8080 else f" --server http://localhost:{config.http_port}"
        steps.add_row("Log in by phone number", f"{kith} login '+49 170 1234567'{where}")
        if not config.sms_url:
            steps.add_row("", Text("the code is shown here, as there is no SMS gateway", "dim"))
    steps.add_row("Chat", f"{kith} chat --jid {name}@{config.domain}")
    steps.add_row("Check the setup", f"{kith} doctor")
    console.print(Padding(steps, (0, 2)))
    if config.allow_plaintext:
        console.print(
            Text("\n  Logins without TLS are allowed on loopback (KITH_ALLOW_PLAINTEXT).", "yellow")
        )
    if web_app and (config.http_port or config.https_port):
        address = _address(config)
        console.print(Text.assemble("\n  Open ", (address, "bold green underline"), " in a browser."))
        if config.registration == "phone" and not config.sms_url:
            console.print(Text("  Register with your number; the code is shown here.", "dim"))
    console.print(Text("\nPress Ctrl-C to stop.", "dim"))


def _address(config: Config) -> str:
    """The address to open the web app at."""
    if config.public_url:
        return config.public_url
    if config.domain == "localhost" and config.http_port:
        return f"http://localhost:{config.http_port}"
    return f"https://{config.domain}:{config.https_port}" if config.https_port else f"http://{config.domain}"
