"""Reading what was stored: one damaged record takes nothing from the others."""

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
    """Those that can be decoded, each with what it holds.

    ``decode`` raises ValueError (`msgspec.DecodeError` is one) for a damaged one, of which the operator is
    told; ``what`` says what kind of record it is.
    """
    for document in documents:
        try:
            value = decode(document.value)
        except ValueError as error:
            logger.error("a record is damaged, it is left out", record=what, exc_info=error)
            continue
        yield document, value
