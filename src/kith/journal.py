"""The server's log: one line per event on standard error, without anything private.

All lines pass through the processors here, those of libraries as well. Texts of messages, passwords and
tokens are left out, and phone numbers are masked: `+491701234567` becomes `+49170*****67`, which is enough
to find the lines of one account, and not enough to call it.
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

#: The maximum length of a value, in characters.
MAX_VALUE = 300
_HIDDEN = "[hidden]"
#: The names of values that are never written.
_SECRET = frozenset(("password", "token", "secret", "proof", "credential", "body", "stanza", "data", "code"))
#: Errors whose texts are written. The texts of other errors may quote what a peer has sent.
_QUOTABLE = (OSError, sqlite3.Error, StoreError)
_NUMBER = re.compile(
    r"(?P<plus>\+|%2[bB])(?P<grouped>\d(?:[ ()./-]{0,2}\d){6,14})"
    r"|(?<![0-9A-Za-z])(?P<bare>\d{7,15})(?![0-9A-Za-z])"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: How many frames of a traceback are written, the innermost first.
_PLACES = 3
_ROOT = Path(__file__).parent


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_level = 0


def set_level(level: str) -> None:
    """Sets which lines are written from now on: debug, info, warning or error."""
    global _level
    _level = _LEVELS[level]


def _loud_enough(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A processor that drops lines below the level. Loggers keep the filter that they were made with."""
    if _LEVELS.get(method, _level) < _level:
        raise structlog.DropEvent
    return event


def set_up(level: str, style: str, out: TextIO = sys.stderr) -> None:
    """Sets up logging for the process.

    ``level`` is debug, info, warning or error; ``style`` is text (``key=value``) or json.
    """
    renderer: Processor
    if style == "json":
        renderer = structlog.processors.JSONRenderer()
    elif out.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    set_level(level)
    structlog.configure(
        processors=[
            _loud_enough,
            structlog.processors.add_log_level,
            cause,
            discreet,
            structlog.processors.TimeStamper(fmt="iso"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Tolerant(out))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    threading.excepthook = thread_failed
    sys.unraisablehook = lambda failed: _unexpected("clean-up failed", failed.exc_value)


def thread_failed(failed: threading.ExceptHookArgs) -> None:
    """A `threading.excepthook` that logs the error and where it came from."""
    _unexpected("thread failed", failed.exc_value)


def loop_error(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """An exception handler for the event loop. The default one would log the arguments of callbacks."""
    error = context.get("exception")
    if error is None:
        logger.error("unexpected", what=_first_line(str(context.get("message", ""))))
    else:
        _unexpected("unexpected error", error)


def _unexpected(event: str, error: BaseException | None) -> None:
    logger.error(event, exc_info=error)


class _Tolerant:
    """A file that ignores errors, so that a full disk does not stop the server."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()


class _Libraries(logging.Handler):
    """Writes the log records of libraries as lines of ours: only the message's text, without its
    arguments.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        level = max(logging.WARNING, min(record.levelno, logging.ERROR))
        logger.log(level, _first_line(str(record.msg)), library=record.name, exc_info=error)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def cause(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replaces ``exc_info`` by ``error`` (the type, and perhaps the text) and ``where`` (the source
    lines).
    """
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
    """Removes secrets, masks phone numbers, and keeps every value on one line."""
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
    """Masks at least five digits of a number, but never the last two."""
    digits = [c for c in found["grouped"] or found["bare"] if c.isdigit()]
    shown = max(0, min(5, len(digits) - 7))
    hidden = len(digits) - shown - 2
    return f"{found['plus'] or ''}{''.join(digits[:shown])}{'*' * hidden}{''.join(digits[-2:])}"
