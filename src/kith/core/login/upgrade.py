"""SASL Upgrade Tasks (XEP-0480): a client that knows the password adds keys of a stronger hash."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.base.randomness import Randomness
from kith.core.login.sasl import HASHES, SASLError, decode
from kith.ports.store import ITERATIONS, Keys
from kith.wire import ns

UPGRADE = ns.tag(ns.SASL_UPGRADE, "upgrade")
_SALT = ns.tag(ns.SCRAM_UPGRADE, "salt")
_HASH = ns.tag(ns.SCRAM_UPGRADE, "hash")
#: The hashes an account can be upgraded to, by the names of their tasks; the strongest first.
_TASKS = {f"UPGR-{mechanism}": name for mechanism, name in HASHES.items() if name != "SHA-1"}


def offers(hashes: Collection[str]) -> list[Element]:
    """The tasks for an account that has keys for these hashes."""
    offered = []
    for task, name in _TASKS.items():
        if name not in hashes:
            element = Element(UPGRADE)
            element.text = task
            offered.append(element)
    return offered


class Upgrades:
    """The upgrade tasks of one login, done one after the other."""

    __slots__ = ("_left", "_randomness", "_salt")

    def __init__(self, request: Element, known: Mapping[str, Keys], randomness: Randomness) -> None:
        """Takes the tasks that ``<authenticate/>`` requests and that the account lacks."""
        self._randomness = randomness
        asked = {(element.text or "").strip() for element in request.findall(UPGRADE)}
        self._left = [task for task, name in _TASKS.items() if task in asked and name not in known]
        self._salt = b""

    @property
    def task(self) -> str:
        """The next task, or an empty text."""
        return self._left[0] if self._left else ""

    def start(self, task: str | None) -> Element:
        """Handles ``<next/>``: the client starts a task. Returns ``<salt/>``. Raises SASLError."""
        if task != self.task or self._salt:
            raise SASLError("malformed-request", "not the task to be done")
        self._salt = self._randomness.bytes(16)
        element = Element(_SALT, {"iterations": str(ITERATIONS)})
        element.text = b64encode(self._salt).decode()
        return element

    def finish(self, data: Sequence[Element]) -> dict[str, Keys]:
        """Handles ``<task-data/>`` with the salted password.

        Returns the new keys by hash. Raises SASLError.
        """
        if not self._salt or len(data) != 1 or data[0].tag != _HASH:
            raise SASLError("malformed-request")
        name = _TASKS[self.task]
        keys = _keys(name, decode(data[0].text or ""), self._salt)
        self._left.pop(0)
        self._salt = b""
        return {name: keys}


def _keys(name: str, salted: bytes, salt: bytes) -> Keys:
    """Computes keys from the salted password (RFC 5802 §3). Raises SASLError."""
    digest = name.replace("-", "").lower()
    if len(salted) != hashlib.new(digest).digest_size:
        raise SASLError("malformed-request", "not a salted password of that hash")
    client_key = hmac.digest(salted, b"Client Key", digest)
    server_key = hmac.digest(salted, b"Server Key", digest)
    return Keys(salt, hashlib.new(digest, client_key).digest(), server_key, ITERATIONS)


def continue_with(task: str, final: bytes) -> Element:
    """``<continue/>`` (XEP-0388 §2.6.3). ``final``: the last data of the mechanism."""
    element = Element(ns.tag(ns.SASL2, "continue"))
    if final:
        SubElement(element, ns.tag(ns.SASL2, "additional-data")).text = b64encode(final).decode()
    tasks = SubElement(element, ns.tag(ns.SASL2, "tasks"))
    SubElement(tasks, ns.tag(ns.SASL2, "task")).text = task
    return element
