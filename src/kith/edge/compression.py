"""permessage-deflate (RFC 7692) without state between messages.

A lasting compression window would save more bytes, but cost tens of kilobytes for each idle connection. Short
messages are not compressed, since that would hardly make them shorter.
"""

from __future__ import annotations

from collections.abc import Sequence

from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.typing import ExtensionParameter

#: Messages of up to this many bytes are not compressed.
SHORT = 256
_WINDOW_BITS = 12
_SETTINGS = {"level": 3, "memLevel": 5}


class SkipShortMessages(PerMessageDeflate):
    """Compresses only messages that are long enough to gain from it."""

    def encode(self, frame: Frame) -> Frame:
        return frame if frame.fin and len(frame.data) <= SHORT else super().encode(frame)


class Deflate(ServerPerMessageDeflateFactory):
    """Negotiates the extension with a client that offers it."""

    def __init__(self) -> None:
        super().__init__(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=_WINDOW_BITS,
            compress_settings=_SETTINGS,
        )

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        answer, agreed = super().process_request_params(params, accepted_extensions)
        extension = SkipShortMessages(
            agreed.remote_no_context_takeover,
            agreed.local_no_context_takeover,
            agreed.remote_max_window_bits,
            agreed.local_max_window_bits,
            _SETTINGS,
        )
        return answer, extension
