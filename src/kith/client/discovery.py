"""Private contact discovery: finds which numbers have an account without showing them to the server.

The protocol is a verifiable oblivious pseudorandom function (RFC 9497); docs/security.md explains it.
"""

from __future__ import annotations

from collections.abc import Sequence

from voprf.ristretto import Client, PublicKey, VerifiableBatchOutput

from kith.client.api import ServerAPI
from kith.client.errors import ServerLacks
from kith.client.linking import decoded, encoded

_BATCH = 500
_PANIC = "PanicException"


async def evaluate(api: ServerAPI, numbers: Sequence[str], key: bytes) -> dict[str, bytes]:
    """The value of the function for each number (E.164).

    Callers should keep the values, which stay the same as long as the server's public key, ``key``, does.

    Raises Refused, ServerUnreachable, and ServerLacks if the server can't prove that it used the key.
    """
    found: dict[str, bytes] = {}
    for start in range(0, len(numbers), _BATCH):
        part = numbers[start : start + _BATCH]
        blinded = [Client.blind(number.encode()) for number in part]
        elements = [encoded(element.serialize()) for _, element in blinded]
        answer = await api.ask("POST", "/api/contacts/evaluate", {"elements": elements})
        try:
            raw = decoded(answer["proof"]) + b"".join(decoded(element) for element in answer["elements"])
            output = VerifiableBatchOutput.deserialize(raw)
            public = PublicKey.deserialize(key)
            values = Client.finalize_batch([client for client, _ in blinded], output, public)
        except BaseException as error:  # the library panics at a wrong proof, which is no Exception
            if isinstance(error, (ValueError, KeyError, TypeError)) or type(error).__name__ == _PANIC:
                raise ServerLacks("The server did not prove that it used the key that it shows.") from None
            raise
        found.update(zip(part, values, strict=True))
    return found


async def discover(
    api: ServerAPI, numbers: Sequence[str], known: dict[str, bytes] | None = None, key: bytes = b""
) -> list[str]:
    """The numbers (E.164) that have an account.

    ``known``: values of earlier calls, with the same key; new ones are added to it. ``key``: the server's
    public key if it is known from before; another one is refused. Raises what `evaluate` raises.
    """
    known = {} if known is None else known
    members = await api.ask("GET", "/api/contacts/members")
    if key and decoded(members["public_key"]) != key:
        raise ServerLacks("The server shows another key than before.")
    size, tags = int(members["tag_bytes"]), decoded(members["tags"])
    there = {tags[start : start + size] for start in range(0, len(tags), size)}
    new = [number for number in dict.fromkeys(numbers) if number not in known]
    known.update(await evaluate(api, new, decoded(members["public_key"])))
    return [number for number in numbers if known[number][:size] in there]
