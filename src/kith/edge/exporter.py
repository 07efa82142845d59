"""The channel binding tls-exporter (RFC 9266), which Python's ssl module does not give.

OpenSSL has it (`SSL_export_keying_material`), so it is asked directly, with the connection that the ssl
module's object holds. Where that is can be told without a guess: the context of the connection, which Python
does give, stands right behind it. If it does not, as in another build of Python, there is no such binding.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
from collections.abc import Callable

#: RFC 9266 §2.
_LABEL = b"EXPORTER-Channel-Binding"
_LENGTH = 32
_WORD = ctypes.sizeof(ctypes.c_void_p)
#: Of `PySSLSocket` in CPython's Modules/_ssl.c: the object's head, then Socket, ssl, ctx.
_CONNECTION = object.__basicsize__ + _WORD
_CONTEXT = _CONNECTION + _WORD

_Export = Callable[..., int]


def _openssl() -> _Export | None:
    """The function of the very OpenSSL that the ssl module uses; None if it can't be reached."""
    try:
        function = ctypes.CDLL(_ssl.__file__).SSL_export_keying_material
    except (AttributeError, OSError):
        return None
    function.restype = ctypes.c_int
    function.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_int,
    ]
    return function


_export = _openssl()


def tls_exporter(tls: ssl.SSLObject | ssl.SSLSocket) -> bytes | None:
    """The binding of a connection after its handshake; None where it can't be had.

    Before TLS 1.3 it is not given: without the extended master secret it would bind to nothing (RFC 9266 §4).
    """
    inner = getattr(tls, "_sslobj", None)
    if _export is None or inner is None or tls.version() != "TLSv1.3":
        return None
    if type(inner).__basicsize__ < _CONTEXT + _WORD or _word(inner, _CONTEXT) != id(tls.context):
        return None
    out = ctypes.create_string_buffer(_LENGTH)
    done = _export(_word(inner, _CONNECTION), out, _LENGTH, _LABEL, len(_LABEL), None, 0, 0)
    return out.raw if done == 1 else None


def _word(owner: object, offset: int) -> int:
    return ctypes.c_void_p.from_address(id(owner) + offset).value or 0
