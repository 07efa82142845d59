"""The file with the server's secret: whatever interrupts its replacement leaves a whole one, old or new."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kith.accounts import secret
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.records.device import LIFETIME

NOW = 1.8e9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    secret.ensure_secret(path := tmp_path / "secret", Randomness(), NOW)
    return path


def load(path: Path, now: float = NOW) -> Secret:
    return secret.ensure_secret(path, Randomness(), now)


def rotate(path: Path, log_out: bool = False, now: float = NOW) -> int:
    return secret.rotate(path, Randomness(), now, log_out)


def test_a_new_secret_has_other_keys_and_the_next_number(path: Path) -> None:
    before = load(path)
    assert rotate(path) == 1
    after = load(path)
    assert (before.generation, after.generation) == (0, 1)
    for use in ("devices", "pepper", "codes", "proofs", "pins", "discovery", "dialback"):
        assert before.key(use) != after.key(use)


def test_keys_for_tokens_stay_as_long_as_tokens_and_those_for_pins_for_ever(path: Path) -> None:
    first = load(path)
    rotate(path)
    second = load(path)
    rotate(path, now=NOW + 1000)
    third = load(path, NOW + LIFETIME - 1)
    assert third.keys("devices") == {
        0: first.key("devices"),
        1: second.key("devices"),
        2: third.key("devices"),
    }
    assert load(path, NOW + LIFETIME).keys("devices").keys() == {1, 2}
    assert first.key("devices") not in load(path).keys("devices").values()
    assert load(path, NOW + 10 * LIFETIME).keys("pins").keys() == {0, 1, 2}


def test_subscriptions_to_pushes_stay_as_long_as_tokens(path: Path) -> None:
    first = load(path)
    rotate(path)
    assert load(path).keys("vapid")[0] == first.key("vapid")
    assert load(path, NOW + LIFETIME).keys("vapid").keys() == {1}
    rotate(path, log_out=True)
    assert load(path).keys("vapid").keys() == {2}


def test_logging_out_ends_all_former_keys_for_tokens_at_once(path: Path) -> None:
    rotate(path)
    rotate(path, log_out=True)
    after = load(path)
    assert after.keys("devices").keys() == {2}
    assert after.keys("pins").keys() == {0, 1, 2}


def test_ids_of_devices_stay_the_same(path: Path) -> None:
    before = load(path).lasting("devices")
    rotate(path)
    rotate(path, log_out=True)
    assert load(path).lasting("devices") == before


def test_only_the_owner_can_read_the_new_file(path: Path) -> None:
    os.chmod(path, 0o600)
    rotate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_the_file_to_the_user_of_the_server(path: Path) -> None:
    os.chown(path, 12345, 12346)
    rotate(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_a_secret_behind_a_link_is_replaced_where_it_is(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / "secret")
    path.symlink_to(elsewhere / "secret")
    rotate(path)
    assert path.is_symlink()
    assert load(path).generation == 1


def killed(work: Callable[[], object]) -> int:
    """Runs in a process of its own. Returns how it ended: the exit status, or minus the signal."""
    if (pid := os.fork()) == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("call", ["open", "fchown", "fsync", "replace", "close"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_step_leaves_the_old_secret_or_the_new_one(
    path: Path, call: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, so that all former keys are still there."""
    before = load(path)
    original = getattr(os, call)

    def breaking(*arguments: object, **named: object) -> object:
        if after:
            original(*arguments, **named)
        os.kill(os.getpid(), 9)
        return None

    def work() -> None:
        setattr(os, call, breaking)
        rotate(path)

    monkeypatch.setattr(os, "geteuid", lambda: 0)  # only root gives files away, though all may to themselves
    assert killed(work) == -9
    found = load(path)
    assert found.keys("devices")[0] == before.key("devices")
    assert found.keys("pins")[0] == before.key("pins")
    assert rotate(path) == found.generation + 1


def test_a_full_disk_leaves_the_old_secret_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        rotate(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


@pytest.mark.parametrize("size", [40, 100, 200])
def test_a_damaged_file_is_not_taken_for_a_secret(path: Path, size: int) -> None:
    """It would log everybody out."""
    rotate(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(secret.SecretDamaged):
        load(path)


def test_a_file_that_can_only_be_read_keeps_no_server_from_starting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although former keys in it have ended, which nothing accepts any more."""

    def read_only(*arguments: object) -> None:
        raise OSError(30, "Read-only file system")

    rotate(path)
    monkeypatch.setattr(os, "replace", read_only)
    assert load(path, NOW + LIFETIME).keys("devices").keys() == {1}
