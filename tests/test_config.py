"""Settings: old names go on working, with a warning, wherever they are given."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kith.config import Config, ConfigError, load
from kith.config.renamed import RENAMED, Renamed
from tests.conftest import RunningServer, running


def loaded(tmp_path: Path, toml: str = "", **environ: str) -> tuple[Config, list[Renamed]]:
    file = tmp_path / "kith.toml"
    file.write_text(toml)
    warnings: list[Renamed] = []
    return load(file, environ, warnings.append), warnings


def test_an_old_name_in_the_file_sets_the_setting_and_warns(tmp_path: Path) -> None:
    config, warnings = loaded(tmp_path, 'sms_answer = "queued"')
    assert config.sms_success_pattern == "queued"
    assert [(renamed.old, renamed.new) for renamed in warnings] == [("sms_answer", "sms_success_pattern")]
    assert str(tmp_path / "kith.toml") in str(warnings[0])


def test_an_old_name_in_the_environment_sets_the_setting_in_its_type_and_warns(tmp_path: Path) -> None:
    config, warnings = loaded(tmp_path, KITH_WAITING_CONNECTIONS="17")
    assert config.unauthenticated_connections == 17
    assert warnings[0].place == "KITH_WAITING_CONNECTIONS in the environment"


def test_a_present_name_does_not_warn(tmp_path: Path) -> None:
    config, warnings = loaded(
        tmp_path, 'sms_success_pattern = "queued"', KITH_UNAUTHENTICATED_CONNECTIONS="5"
    )
    assert (config.sms_success_pattern, config.unauthenticated_connections) == ("queued", 5)
    assert warnings == []


def test_the_environment_wins_over_the_file_whichever_of_the_names_each_has(tmp_path: Path) -> None:
    old_in_file, _ = loaded(tmp_path, "waiting_connections = 1", KITH_UNAUTHENTICATED_CONNECTIONS="2")
    new_in_file, _ = loaded(tmp_path, "unauthenticated_connections = 1", KITH_WAITING_CONNECTIONS="2")
    assert old_in_file.unauthenticated_connections == new_in_file.unauthenticated_connections == 2


def test_both_names_of_a_setting_in_one_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sms_success_pattern is given twice"):
        loaded(tmp_path, 'sms_answer = "a"\nsms_success_pattern = "b"')
    with pytest.raises(ConfigError, match="KITH_SMS_ANSWER"):
        loaded(tmp_path, KITH_SMS_ANSWER="a", KITH_SMS_SUCCESS_PATTERN="b")


def test_a_wrong_value_under_an_old_name_is_refused_with_the_place_that_has_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unauthenticated_connections.*KITH_WAITING_CONNECTIONS"):
        loaded(tmp_path, KITH_WAITING_CONNECTIONS="many")


def test_every_old_name_leads_to_a_setting_and_is_none_itself() -> None:
    assert set(RENAMED.values()) <= set(Config.__struct_fields__)
    assert not set(RENAMED) & set(Config.__struct_fields__)


def test_a_server_with_an_old_name_starts_and_says_so_in_its_log(tmp_path: Path) -> None:
    with running(tmp_path / "data", waiting_connections="50") as server:
        log = server.log.read_text()
    warning = next(line for line in log.splitlines() if "setting has a new name" in line)
    assert "level=warning" in warning
    assert "old=waiting_connections new=unauthenticated_connections" in warning


def test_a_command_says_an_old_name_on_standard_error(tmp_path: Path) -> None:
    done = RunningServer(tmp_path / "data", sms_answer="ok").kith("user", "list", check=False)
    assert (
        "setting sms_answer (KITH_SMS_ANSWER in the environment) is called sms_success_pattern" in done.stderr
    )


def test_kith_settings_lists_every_setting(tmp_path: Path) -> None:
    listed = RunningServer(tmp_path / "data").kith("settings").stdout
    names = [line.split()[0] for line in listed.splitlines()[1:]]
    assert names == list(Config.__struct_fields__)


def test_the_server_and_all_commands_find_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, system = tmp_path / "named.toml", tmp_path / "system.toml"
    named.write_text("xmpp_port = 1111")
    system.write_text("xmpp_port = 2222")
    monkeypatch.setattr(sys.modules["kith.config.load"], "SYSTEM_FILE", system)
    assert load(named, {"KITH_CONFIG": str(system)}).xmpp_port == 1111
    assert load(None, {"KITH_CONFIG": str(named)}).xmpp_port == 1111
    assert load(None, {}).xmpp_port == load(None, {"KITH_CONFIG": ""}).xmpp_port == 2222
    assert load(None, {"KITH_CONFIG": "/dev/null"}) == Config()
    system.unlink()
    assert load(None, {}) == Config()


@pytest.mark.parametrize(
    "command",
    [
        ("backup", "saved.tar"),
        ("user", "list"),
        ("user", "passwd", "ada", "--password", "secret of ada"),
        ("user", "remove", "--yes", "ada"),
        ("user", "export", "ada"),
        ("device", "list", "ada"),
        ("device", "revoke", "ada", "--all"),
        ("invite",),
        ("reports",),
    ],
)
def test_a_command_that_finds_no_kith_says_so_and_makes_nothing(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    server = RunningServer(tmp_path / "data", registration="invite")
    done = server.kith(*command, check=False)
    assert done.returncode == 2
    assert f"there is no Kith in {tmp_path / 'data'}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_adds_accounts_says_that_it_makes_a_folder(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    for name, said in (("ada", True), ("ben", False)):
        done = server.kith("user", "add", name, "--password", "a long secret")
        assert (f"A new data folder: {tmp_path / 'data'}" in done.stderr) is said
