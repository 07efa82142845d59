"""The process of a running server: its event loop, its threads, and the status that it exits with."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable, Sequence

import structlog
import uvloop

from kith import __version__, journal
from kith.alone import MediaProcess
from kith.base.failures import StartError
from kith.config import Config, ConfigError
from kith.config.renamed import Renamed
from kith.notify import notify
from kith.server import Server
from kith.store.database import CHECK_THREAD
from kith.store.errors import StoreError
from kith.terminal import say

logger = structlog.get_logger("kith")


def _spare_collections() -> None:
    """Lets the garbage collector run rarely, and ignore objects that live as long as the server.

    Python's default, a collection after 700 new objects, costs more than it finds, since few objects are
    cyclic.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


#: How long a thread may keep the interpreter's lock while another one waits for it, in seconds. A commit
#: takes the lock several times; with Python's 5 ms, messages waited 40 to 80 ms for it while clients kept
#: the loop busy.
_SWITCH_INTERVAL = 0.001


async def _serve(config: Config, reread: Callable[[], Config] | None, role: str) -> None:
    asyncio.get_running_loop().set_exception_handler(journal.loop_error)
    server = MediaProcess(config, reread) if role == MEDIA else Server(config, reread)
    server.listen_to_signals()
    await server.start()
    _spare_collections()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    logger.info("started", version=__version__, domain=config.domain, role=role)
    notify("READY=1")
    await server.run()
    logger.info("stopping")
    notify("STOPPING=1")
    await server.stop()
    logger.info("stopped")


#: What a process serves: messages, and media too unless they have a server of their own; or media alone.
MESSAGES, MEDIA = "messages", "media"
#: The exit status if one of the server's threads fails: EX_SOFTWARE of sysexits.h.
CRIPPLED = 70


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Logs the failure of a thread, and ends the process if it was one of the server's own.

    Without that thread, the server would look alive but answer nobody. A supervisor can start it again, and
    nothing is lost: what was acknowledged is on the disk.
    """
    journal.thread_failed(failed)
    name = failed.thread.name if failed.thread is not None else ""
    if name.startswith("kith-") and name != CHECK_THREAD:
        logger.critical(
            "the server stops, because it can't work without this thread", thread=name, status=CRIPPLED
        )
        os._exit(CRIPPLED)


def serve(
    config: Config,
    renamed: Sequence[Renamed] = (),
    reread: Callable[[], Config] | None = None,
    role: str = MESSAGES,
) -> int:
    """Runs a server until it is told to stop. Returns the exit status: 2 if it could not start.

    ``renamed``: settings that were given under an old name, for a warning in the log.
    ``reread``: reads the settings again, on SIGHUP. ``role``: `MESSAGES` or `MEDIA`.
    """
    json = config.log_format == "json"
    journal.set_up(config.log_level, config.log_format, sys.stdout if json else sys.stderr)
    for setting in renamed:
        logger.warning("setting has a new name", old=setting.old, new=setting.new, given_in=setting.place)
    threading.excepthook = _thread_failed
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config, reread, role))
    except (StartError, ConfigError, StoreError) as error:
        say(f"kith: {error}", sys.stderr)
        return 2
    return 0
