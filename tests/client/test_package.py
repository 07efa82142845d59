"""What a bot installs and imports: little, and with types."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
#: Libraries that take long to import, or that only the extras bring.
HEAVY = (
    "slixmpp",
    "oldmemo",
    "omemo",
    "slixmpp_omemo",
    "xmlschema",
    "pydantic",
    "cryptography",
    "google.protobuf",
)
EXTRAS = (
    *("aiohttp", "rich", "segno", "textual", "typer", "uvloop", "phonenumbers", "voprf", "msgspec"),
    *("aiotus", "av", "PIL", "thumbhash", "textual_image", "aiohttp_socks", "aiortc", "aioice"),
)
MOST_MEGABYTES = 45


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def requirements(wheel: zipfile.ZipFile) -> list[Requirement]:
    """What the wheel requires without any extra."""
    (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    lines = re.findall(r"^Requires-Dist: (.+)$", wheel.read(metadata).decode(), re.MULTILINE)
    return [
        one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate({"extra": ""})
    ]


def closure(wanted: list[Requirement]) -> set[str]:
    """The names of these libraries, and of all that they require."""
    found: set[tuple[str, str]] = set()
    while wanted:
        one = wanted.pop()
        for extra in {"", *one.extras}:
            key = canonicalize_name(one.name), extra
            if key in found:
                continue
            found.add(key)
            required = map(Requirement, distribution(one.name).requires or [])
            wanted += [next for next in required if not next.marker or next.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def test_importing_the_sdk_loads_no_xmpp_encryption_or_other_heavy_library() -> None:
    loaded = set(run("import sys, kith.client; print(*sys.modules)").split())
    assert "kith.client.client" in loaded
    assert loaded.isdisjoint({*HEAVY, *EXTRAS})


def test_the_sdk_works_without_what_the_extras_bring() -> None:
    """All modules of the SDK, with the encryption, are imported where the extras' libraries are missing."""
    modules = [
        "kith.client." + ".".join(path.relative_to(ROOT / "src/kith/client").with_suffix("").parts)
        for path in sorted((ROOT / "src/kith/client").rglob("*.py"))
        if not {"cli", "tui"} & set(path.parts)
        and path.stem not in ("__init__", "api", "command", "discovery")
        and not (path.parent.name == "calls" and path.stem in ("jingle", "media", "restarting", "voice"))
    ]
    assert "kith.client.encryption" in modules
    imports = "\n".join(f"import {name}" for name in modules)
    run(f"import sys\nfor name in {EXTRAS!r}: sys.modules[name] = None\n{imports}")


def test_a_command_whose_library_is_missing_says_what_to_install() -> None:
    program = "import sys; sys.modules['typer'] = None; from kith.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "kith[server]" in done.stderr
    assert "kith[terminal]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_wheel_says_that_it_has_types(wheel: zipfile.ZipFile) -> None:
    assert "kith/py.typed" in wheel.namelist()


def test_a_program_that_uses_the_sdk_is_checked_against_its_types(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(
        "from kith.client import Client\n\n\nasync def main(me: Client) -> None:\n"
        "    message = await me.send('a@b.example', 'hi')\n"
        "    reveal_type(message)\n"
        "    await me.send(5, 'hi')\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={tmp_path}", "bot.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert 'Revealed type is "kith.client.message.Message"' in done.stdout, done.stdout
    assert 'incompatible type "int"; expected "str"' in done.stdout


def test_what_a_bot_installs_takes_less_than_45_megabytes(wheel: zipfile.ZipFile) -> None:
    """Counts the files of the wheel and of everything that it requires, as they are in this environment."""
    sizes = {"kith": sum(item.file_size for item in wheel.infolist())}
    for name in closure(requirements(wheel)):
        files = [file for file in distribution(name).files or [] if file.suffix != ".pyc"]
        sizes[name] = sum(Path(str(file.locate())).stat().st_size for file in files)
    assert {"slixmpp", "oldmemo", "xmlschema", "cryptography", "pydantic-core"} <= sizes.keys()
    assert sizes.keys().isdisjoint(EXTRAS)
    assert sum(sizes.values()) < MOST_MEGABYTES * 1_000_000, sorted(sizes.items(), key=lambda one: -one[1])
