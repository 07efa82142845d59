"""Turns a server's errors, and its silence, into the errors of `kith.client`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from kith.client.errors import NotOnline, Refused

_T = TypeVar("_T")


async def answer(request: Awaitable[_T], failed: str) -> _T:
    """The result of a request to the server (an iq).

    ``failed`` says for people what did not happen. Raises Refused if the answer is an error, and NotOnline if
    there is none.
    """
    from slixmpp.exceptions import IqError, IqTimeout  # it takes long to import

    try:
        return await request
    except IqError as error:
        text = error.text or error.condition.replace("-", " ")
        raise Refused(f"{failed}: {text}", {"error": error.condition}) from None
    except IqTimeout:
        raise NotOnline(f"{failed}: the server did not answer.") from None
