"""Gives each member only its own keys of an encrypted message (XEP-0384).

A message to a group contains a key for each device of each member. The server takes the keys out that belong
to the devices of its accounts, and puts into each account's copy only those of its own devices. It reads
nothing but the ids of the devices. Keys of devices that it does not know, such as those of people on other
servers, stay for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kith.core.log.own import own_part

#: A key of the legacy OMEMO (XEP-0384 0.3), in canonical form (`kith.wire.canonical`): clients choose the
#: quotes. The group is atomic, so that each tag is searched once, whatever its attributes are.
_KEY = re.compile(rb"""<key\b(?>[^<>]*? rid=['"]([0-9]{1,10})['"])[^<>]*>[^<>]*</key>""")
_START = re.compile(rb"""<encrypted\b(?>[^<>]*? xmlns=['"]eu\.siacs\.conversations\.axolotl['"])""")
_HEADER = b"<header"
_HEADER_END = b"</header>"


#: The device id and the element of a key.
Key = tuple[int, bytes]


def keys_in(data: bytes) -> list[Key]:
    """The keys in serialized XML."""
    return [(int(match[1]), match[0]) for match in _KEY.finditer(data)]


def split(
    inner: bytes,
    accounts: Mapping[int, Sequence[int]],
    after: int,
    more: Sequence[Key] = (),
    others: bool = True,
) -> tuple[bytes, dict[int, bytes]]:
    """Takes keys out of the content of a message.

    ``accounts``: whose each device id is. ``after``: how many bytes will follow the content in the stored
    message. ``more``: keys that were sent before the message (`kith.groups.key_parts`). ``others``: whether
    keys of devices that are nobody's stay for everybody. Returns the content
    without the keys of these accounts, and what each of them gets (`kith.core.log.own`).
    """
    encrypted = _START.search(inner)
    start = inner.find(_HEADER, encrypted.end()) if encrypted is not None else -1
    end = inner.find(_HEADER_END, start) if start >= 0 else -1
    if end < 0:
        return inner, {}
    own: dict[int, list[bytes]] = {}

    def take(device: int, key: bytes) -> bytes:
        """What stays of a key for everybody."""
        owners = accounts.get(device)
        if owners is None:
            return key if others else b""
        for account in owners:
            own.setdefault(account, []).append(key)
        return b""

    header = _KEY.sub(lambda match: take(int(match[1]), match[0]), inner[start:end])
    header += b"".join([take(device, key) for device, key in more])
    # the keys go to the end of the header
    rest = inner[end:]
    return inner[:start] + header + rest, {
        account: own_part(len(rest) + after, b"".join(keys)) for account, keys in own.items()
    }
