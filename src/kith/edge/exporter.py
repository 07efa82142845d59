"""The channel binding tls-exporter (RFC 9266), which Python's ssl module does not offer.

OpenSSL's `SSL_export_keying_material` is called directly, with the connection that the ssl module's object
holds. Its position in that object is verified: right behind it is the pointer to the context, which Python
exposes. If it is not there, as in another build of Python, this channel binding is not available.
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
    """The function in the OpenSSL library that the ssl module uses; None if it can't be found."""
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
    """The channel binding of a connection after its handshake; None if it is not available.

    Before TLS 1.3 it never is: without the extended master secret it would not be unique (RFC 9266 §4).
    """
    connection = connection_of(tls) if tls.version() == "TLSv1.3" else None
    if _export is None or connection is None:
        return None
    out = ctypes.create_string_buffer(_LENGTH)
    done = _export(connection, out, _LENGTH, _LABEL, len(_LABEL), None, 0, 0)
    return out.raw if done == 1 else None


def connection_of(tls: ssl.SSLObject | ssl.SSLSocket) -> int | None:
    """The address of OpenSSL's connection; None if it is not where it is expected."""
    inner = getattr(tls, "_sslobj", None)
    if inner is None or type(inner).__basicsize__ < _CONTEXT + _WORD:
        return None
    return _word(inner, _CONNECTION) if _word(inner, _CONTEXT) == id(tls.context) else None


def _word(owner: object, offset: int) -> int:
    return ctypes.c_void_p.from_address(id(owner) + offset).value or 0
