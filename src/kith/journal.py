"""What the server writes to standard error: one line for each event, and nothing that is not the operator's.

Everything goes through the processors here, what libraries say as well. They let no message's text, password
or token through, and no full phone number: `+491701234567` becomes `+49170*****67`, which is enough to find
the lines of one account, and too little to call it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sqlite3
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from kith.store.errors import StoreError
from kith.terminal import one_line

logger = structlog.get_logger("kith")

#: The longest value of a line, in characters.
MAX_VALUE = 300
_HIDDEN = "[hidden]"
#: What is never written, whoever says it.
_SECRET = frozenset(("password", "token", "secret", "proof", "credential", "body", "stanza", "data", "code"))
#: Errors of the machine. What others say of themselves may quote what somebody has sent.
_QUOTABLE = (OSError, sqlite3.Error, StoreError)
_NUMBER = re.compile(
    r"(?P<plus>\+|%2[bB])(?P<grouped>\d(?:[ ()./-]{0,2}\d){6,14})"
    r"|(?<![0-9A-Za-z])(?P<bare>\d{7,15})(?![0-9A-Za-z])"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: How many places of a traceback are told, the innermost first.
_PLACES = 3
_ROOT = Path(__file__).parent


def set_up(level: str, style: str, out: TextIO = sys.stderr) -> None:
    """``level`` is debug, info, warning or error; ``style`` is text (``key=value``) or json."""
    renderer: Processor
    if style == "json":
        renderer = structlog.processors.JSONRenderer()
    elif out.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            cause,
            discreet,
            structlog.processors.TimeStamper(fmt="iso"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Tolerant(out))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    threading.excepthook = thread_failed
    sys.unraisablehook = lambda failed: _unexpected("clean-up failed", failed.exc_value)


def thread_failed(failed: threading.ExceptHookArgs) -> None:
    """An exception handler for threads: says what has failed, and where."""
    _unexpected("thread failed", failed.exc_value)


def loop_error(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """An exception handler for the loop. Its own would quote the arguments of what failed."""
    error = context.get("exception")
    if error is None:
        logger.error("unexpected", what=_first_line(str(context.get("message", ""))))
    else:
        _unexpected("unexpected error", error)


def _unexpected(event: str, error: BaseException | None) -> None:
    logger.error(event, exc_info=error)


class _Tolerant:
    """A file that takes what it can: what is written to a full disk must not stop the server."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()


class _Libraries(logging.Handler):
    """What libraries log comes out like our own: the text as they wrote it, without what they put in."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        level = max(logging.WARNING, min(record.levelno, logging.ERROR))
        logger.log(level, _first_line(str(record.msg)), library=record.name, exc_info=error)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def cause(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """``exc_info`` as ``error``, its type and maybe its text, and ``where`` it came from."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        if isinstance(error, _QUOTABLE) and str(error):
            event["error"] += f": {error}"
        places = traceback.extract_tb(error.__traceback__)[-_PLACES:]
        event["where"] = " < ".join(f"{_short(p.filename)}:{p.lineno}" for p in reversed(places))
    return event


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else path.name


def discreet(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Nothing secret, no full phone number, nothing that makes two lines of one."""
    return {name: _HIDDEN if name in _SECRET else _plain(value) for name, value in event.items()}


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case bytes() | bytearray():
            return f"[{len(value)} bytes]"
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    text = one_line(_CONTROL.sub(" ", str(value)[: 4 * MAX_VALUE]))
    text = _NUMBER.sub(_mask, text)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"


def _mask(found: re.Match[str]) -> str:
    """Five digits or more are hidden, the last two never."""
    digits = [c for c in found["grouped"] or found["bare"] if c.isdigit()]
    shown = max(0, min(5, len(digits) - 7))
    hidden = len(digits) - shown - 2
    return f"{found['plus'] or ''}{''.join(digits[:shown])}{'*' * hidden}{''.join(digits[-2:])}"
