"""Which tests are to find the faults of a file: in this process where it can be."""

from __future__ import annotations

#: Files of src/kith whose figures are in CONTRIBUTING.md, with their tests, by what they are.
PARTS: dict[str, dict[str, list[str]]] = {
    "codes": {
        "accounts/codes.py": [
            "tests/accounts/test_codes_exactly.py",
            "tests/accounts/test_codes.py",
            "tests/accounts/test_wrong_clock.py",
        ]
    },
    "PINs": {"accounts/pin.py": ["tests/accounts/test_pin_exactly.py", "tests/accounts/test_pin.py"]},
    "SASL": {
        "core/login/sasl.py": ["tests/core/test_sasl.py"],
        "core/login/sasl2.py": [
            "tests/core/test_sasl2_exactly.py",
            "tests/core/test_sasl2_sessions.py",
            "tests/core/test_sasl2_exchange.py",
            "tests/core/test_sasl2.py",
            "tests/core/test_upgrade.py",
            "tests/core/test_fast.py",
            "tests/core/test_bind2.py",
        ],
    },
    "router": {
        "core/routing/router.py": [
            "tests/core/test_router.py",
            "tests/core/test_router_hosts.py",
            "tests/core/test_elsewhere.py",
            "tests/core/test_peers.py",
        ]
    },
    "log": {
        "core/log/log.py": ["tests/core/test_log.py"],
        "core/log/envelope.py": ["tests/core/test_log.py"],
        "core/log/retries.py": ["tests/core/test_retries.py"],
    },
}
#: For any other file: the tests of its folder.
FOLDERS = {
    "accounts": ["tests/accounts", "tests/api"],
    "core": ["tests/core"],
    "wire": ["tests/wire", "tests/core/test_streams.py"],
}


def tests_for(file: str) -> list[str]:
    """``file``: its path in src/kith. Empty if no test is meant to find its faults."""
    for files in PARTS.values():
        if file in files:
            return files[file]
    return FOLDERS.get(file.partition("/")[0], [])
