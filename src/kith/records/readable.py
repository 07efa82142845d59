"""Decodes stored records, and skips damaged ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import structlog

from kith.ports.store import Document

_T = TypeVar("_T")
logger = structlog.get_logger("kith")


def readable(
    documents: Iterable[Document], decode: Callable[[bytes], _T], what: str
) -> Iterator[tuple[Document, _T]]:
    """The documents that can be decoded, each with its content.

    ``decode`` raises ValueError (such as `msgspec.DecodeError`) for a damaged one, which is logged.
    ``what`` names the kind of record in the log.
    """
    for document in documents:
        try:
            value = decode(document.value)
        except ValueError as error:
            logger.error("a record is damaged and ignored", record=what, exc_info=error)
            continue
        yield document, value
