"""Asks an LDAP directory who may log in (RFC 4511), with the library ldap3.

A person is found by a search, and logs in by a bind with the name of that entry and the password. Each
request has connections of its own, in a pool of threads of its own: a directory that does not answer takes no
thread from anybody else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from ldap3 import ANONYMOUS, SIMPLE, SUBTREE, SYNC, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from kith.config import Config
from kith.config.ldap_rules import NAME, addresses
from kith.ports.directory import DirectoryUnavailable

_T = TypeVar("_T")
#: Seconds to connect to a server of the directory, and to wait for each of its answers.
CONNECT_TIMEOUT = 4
ANSWER_TIMEOUT = 6
#: Seconds after which a request has failed, whatever it waits for.
DEADLINE = 15.0
#: How many requests are under way at once, and how many more may wait for their turn.
THREADS = 8
MAX_WAITING = 200
#: How many names are looked up with one search.
_BATCH = 100
_SUCCESS, _WRONG_PASSWORD, _NO_SUCH_OBJECT = 0, 49, 32
#: What a bind answers for somebody who may not log in: inappropriateAuthentication, constraintViolation,
#: insufficientAccessRights, unwillingToPerform, and what an entry without a password gives.
_REFUSED = frozenset((_WRONG_PASSWORD, 48, 19, 50, 53, 16))
logger = structlog.get_logger("kith")


class LDAPDirectory:
    """An implementation of `kith.ports.directory.Directory`, by the settings that begin with ``ldap_``."""

    def __init__(self, config: Config, connect: int = CONNECT_TIMEOUT, answer: int = ANSWER_TIMEOUT) -> None:
        self._config = config
        self._connect_timeout = connect
        self._answer_timeout = answer
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="kith-ldap")
        self._waiting = 0

    async def check(self, name: str, password: str) -> bool:
        if not name or not password or "\0" in name + password:
            return False  # a bind without a password succeeds for everybody (RFC 4513 §5.1.2)
        return await self._run(lambda: self._check(name, password))

    async def existing(self, names: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(names), _BATCH):
            part = names[start : start + _BATCH]
            found |= await self._run(lambda part=part: self._existing(part))  # type: ignore[misc]
        return found

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Runs work in a thread. Raises DirectoryUnavailable, also if too much waits already."""
        if self._waiting >= THREADS + MAX_WAITING:
            raise DirectoryUnavailable("too many logins wait for the directory")
        self._waiting += 1
        try:
            async with asyncio.timeout(DEADLINE):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError:
            raise DirectoryUnavailable("the directory is too slow") from None
        except RuntimeError as error:  # the pool was shut down
            raise DirectoryUnavailable(str(error)) from None
        finally:
            self._waiting -= 1

    # -- in a thread -----------------------------------------------------------------------------

    def _check(self, name: str, password: str) -> bool:
        entries = self._search([name])
        if len(entries) != 1:
            if entries:
                logger.error("the directory has several people of one name", name=name, entries=len(entries))
            return False
        dn, _ = entries[0]
        with self._connection(dn, password) as connection:
            code = self._bind(connection)
        if code != _SUCCESS and code not in _REFUSED:
            raise DirectoryUnavailable(f"a login was answered with the LDAP result {code}")
        return code == _SUCCESS

    def _existing(self, names: Sequence[str]) -> set[str]:
        """Asks once for all names; if the server cuts the answer off, once for each."""
        if len(names) == 1:
            return set(names) if self._search(names) else set()
        try:
            filters = {name: self._filter(name) for name in names}
            entries = self._find("(|" + "".join(filters.values()) + ")")
        except _CutOff:
            entries = []
        if len(entries) == len(names):
            return set(names)
        return {name for name in names if self._search([name])}

    def _search(self, names: Sequence[str]) -> list[tuple[str, Any]]:
        return self._find(self._filter(names[0]))

    def _filter(self, name: str) -> str:
        return self._config.ldap_filter.replace(NAME, escape_filter_chars(name))

    def _find(self, wanted: str) -> list[tuple[str, Any]]:
        """The entries that a filter matches, as (distinguished name, attributes)."""
        with self._connection(self._config.ldap_user, self._config.ldap_password) as connection:
            if (code := self._bind(connection)) != _SUCCESS:
                raise DirectoryUnavailable(f"ldap_user can't log in to the directory (LDAP result {code})")
            connection.search(
                self._config.ldap_base,
                wanted,
                SUBTREE,
                attributes=["1.1"],  # none (RFC 4511 §4.5.1.8)
                time_limit=self._answer_timeout,
            )
            code, response = int(connection.result["result"]), connection.response
        if code == _NO_SUCH_OBJECT:
            raise DirectoryUnavailable("the directory has no ldap_base, or ldap_user may not see it")
        if code in (3, 4, 11):
            raise _CutOff(f"the directory cut a search off (LDAP result {code})")
        if code != _SUCCESS:
            what = connection.result["description"]
            raise DirectoryUnavailable(f"ldap_user may not search ldap_base (LDAP result {code}, {what})")
        return [(one["dn"], one) for one in response or () if one["type"] == "searchResEntry"]

    def _bind(self, connection: Any) -> int:
        """Binds. Returns the result code (RFC 4511 §4.1.9)."""
        connection.bind()
        return int(connection.result["result"])

    @contextmanager
    def _connection(self, user: str, password: str) -> Iterator[Any]:
        """A connection that is encrypted, and not bound yet, to the first server that answers."""
        reasons: list[str] = []
        for url in addresses(self._config.ldap_url):
            connection = None
            try:
                connection = Connection(
                    self._server(url),
                    user or None,
                    password or None,
                    client_strategy=SYNC,
                    authentication=SIMPLE if user else ANONYMOUS,
                    auto_referrals=False,
                    receive_timeout=self._answer_timeout,
                    read_only=True,
                    check_names=False,
                )
                connection.open()
                if not url.startswith("ldaps") and not self._may_be_plain(url):
                    connection.start_tls()
            except (LDAPException, OSError, ValueError) as error:
                reasons.append(f"{url}: {_reason(error)}")
                if connection is not None:
                    _close(connection)
                continue
            try:
                yield connection
            except (LDAPException, OSError) as error:
                raise DirectoryUnavailable(f"{url}: {_reason(error)}") from None
            finally:
                _close(connection)
            return
        raise DirectoryUnavailable("; ".join(reasons))

    def _server(self, url: str) -> Any:
        ca = self._config.ldap_ca
        tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(ca) if ca is not None else None)
        return Server(url, connect_timeout=self._connect_timeout, tls=tls, get_info=None)

    def _may_be_plain(self, url: str) -> bool:
        """Whether passwords may be sent unencrypted: to this machine, for tests."""
        return self._config.allow_plaintext and "//127.0.0.1" in url


class _CutOff(DirectoryUnavailable):
    """The server has a limit for searches."""


def _reason(error: BaseException) -> str:
    """An error of the library in one line, without what was sent."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _close(connection: Any) -> None:
    try:
        connection.unbind()
    except (LDAPException, OSError):
        connection.socket = None
