"""permessage-deflate (RFC 7692) that keeps nothing between two messages.

A window that lasted would save more bytes, and cost each idle connection tens of kilobytes. Short messages
go as they are: they would hardly shrink.
"""

from __future__ import annotations

from collections.abc import Sequence

from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.typing import ExtensionParameter

#: Messages up to that many bytes are not compressed.
SHORT = 256
_WINDOW_BITS = 12
_SETTINGS = {"level": 3, "memLevel": 5}


class Sparing(PerMessageDeflate):
    """Compresses what is worth it."""

    def encode(self, frame: Frame) -> Frame:
        return frame if frame.fin and len(frame.data) <= SHORT else super().encode(frame)


class Deflate(ServerPerMessageDeflateFactory):
    """Agrees on the extension with a client that offers it."""

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
        sparing = Sparing(
            agreed.remote_no_context_takeover,
            agreed.local_no_context_takeover,
            agreed.remote_max_window_bits,
            agreed.local_max_window_bits,
            _SETTINGS,
        )
        return answer, sparing
