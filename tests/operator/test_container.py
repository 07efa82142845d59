"""The files for containers: by linters, and compared with what the package and the program have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from kith.config import Config, load
from kith.config.settings import PORTS
from tests.conftest import RunningServer

FOLDER = Path(__file__).parents[2] / "packaging" / "container"
CONTAINERFILE = (FOLDER / "Containerfile").read_text()
COMPOSE = (FOLDER / "compose.yaml").read_text()
BUILD = (FOLDER / "build.sh").read_text()


def instructions(name: str) -> list[str]:
    """The arguments of an instruction of the Containerfile, each time that it is there."""
    joined = CONTAINERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.*)$", joined, re.MULTILINE)


def test_hadolint_has_nothing_to_say_about_the_containerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, FOLDER / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_compose_file_follows_the_specification() -> None:
    compose = PyCompose.from_yaml(COMPOSE)
    compose.validate()
    assert set(compose.service_names()) == {"kith", "caddy"}
    for wrong in ("restrat: unless-stopped", "restart: sometimes"):
        with pytest.raises(ValueError, match="services"):
            PyCompose.from_yaml(COMPOSE.replace("restart: unless-stopped", wrong, 1))


def test_what_services_name_is_there() -> None:
    """Volumes and other services, which the specification does not check."""
    compose = yaml.safe_load(COMPOSE)
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in compose["volumes"]
        for other in service.get("depends_on", ()):
            assert other in compose["services"]
    build = compose["services"]["kith"]["build"]
    context = (FOLDER / build["context"]).resolve()
    assert (context / build["dockerfile"]).samefile(FOLDER / "Containerfile")


def test_the_settings_of_the_compose_file_are_good() -> None:
    environment = yaml.safe_load(COMPOSE)["services"]["kith"]["environment"]
    values = {
        name: re.sub(r"\$\{KITH_DOMAIN[^}]*\}", "chat.example.org", text)
        for name, text in environment.items()
    }
    values = {name: re.sub(r"\$\{\w+:-\}", "", text) for name, text in values.items()}
    assert not [text for text in values.values() if "$" in text]
    config = load(Path("/dev/null"), values)
    assert config.public_url == f"https://{config.domain}" == "https://chat.example.org"
    assert config.trusted_proxies


def test_both_images_are_the_same_but_for_who_builds_them() -> None:
    ports = {port for name in PORTS if (port := getattr(Config(), name))}
    exposed = set(map(int, " ".join(instructions("EXPOSE")).split()))
    assert exposed == set(map(int, re.findall(r"--config\.exposedports (\d+)", BUILD))) == ports
    for line, option in (
        ("USER", "user"),
        ("ENV", "env"),
        ("VOLUME", "volume"),
        ("STOPSIGNAL", "stopsignal"),
    ):
        assert instructions(line) == re.findall(rf"--config\.{option} (\S+)", BUILD), line
    for line, option in (("ENTRYPOINT", "entrypoint"), ("CMD", "cmd")):
        assert json.loads(instructions(line)[-1]) == re.findall(rf"--config\.{option} (\S+)", BUILD), line


def test_what_the_image_asks_for_its_health_is_answered(server: RunningServer) -> None:
    command = json.loads(re.findall(r"CMD (\[.*\])", instructions("HEALTHCHECK")[0])[0])
    assert command[0] == "/usr/lib/kith/bin/python"
    asked = [part.replace(":8080", f":{server.http_port}") for part in command[1:]]
    assert subprocess.run([sys.executable, *asked], check=False).returncode == 0
    down = [part.replace(":8080", ":1") for part in command[1:]]
    assert subprocess.run([sys.executable, *down], check=False, stderr=subprocess.DEVNULL).returncode == 1


@pytest.mark.parametrize(
    "script", ["container/build.sh", "container/check.sh", "debian/build.sh", "certbot/kith"]
)
def test_the_scripts_have_no_errors_of_syntax(script: str) -> None:
    path = FOLDER.parent / script
    shell = path.read_text().splitlines()[0].removeprefix("#!").split()
    subprocess.run([*shell, "-n", path], check=True)
    if (shellcheck := shutil.which("shellcheck")) is not None:
        subprocess.run([shellcheck, path], check=True)
