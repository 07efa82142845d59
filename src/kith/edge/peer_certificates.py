"""Certificates of servers that connect here (XEP-0178), which Python's ssl module can't take as they are.

A server that connects is a TLS client. OpenSSL would want a certificate for clients, but public authorities
issue only those for servers (the extended key usage id-kp-serverAuth, RFC 5280 §4.2.1.12); and Python either
asks for no certificate or ends the handshake with everybody whose certificate it does not trust, although
dialback would do for them. So OpenSSL is told directly to judge certificates as those of servers, and to go
on with the handshake whatever it finds. What it has found is asked for afterwards. The chain, its dates, its
constraints and its purpose are OpenSSL's affair, as on streams that we open; the names are compared by the
caller.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
from typing import NamedTuple

from kith.edge.exporter import connection_of

_VERIFY_PEER = 1
_PURPOSE_SSL_SERVER = 2
_OK = 0
_Verify = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


class _OpenSSL:
    """The functions in the library that the ssl module uses. Raises AttributeError, OSError."""

    def __init__(self) -> None:
        library = ctypes.CDLL(_ssl.__file__)
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self.context_of = library.SSL_get_SSL_CTX
        self.context_of.restype, self.context_of.argtypes = pointer, [pointer]
        self.set_verify = library.SSL_CTX_set_verify
        self.set_verify.restype, self.set_verify.argtypes = None, [pointer, number, _Verify]
        self.set_purpose = library.SSL_CTX_set_purpose
        self.set_purpose.restype, self.set_purpose.argtypes = number, [pointer, number]
        self.result = library.SSL_get_verify_result
        self.result.restype, self.result.argtypes = ctypes.c_long, [pointer]
        self.clear_errors = library.ERR_clear_error
        self.clear_errors.restype, self.clear_errors.argtypes = None, []
        self.text = library.X509_verify_cert_error_string
        self.text.restype, self.text.argtypes = ctypes.c_char_p, [ctypes.c_long]


def _load() -> _OpenSSL | None:
    try:
        return _OpenSSL()
    except (AttributeError, OSError):
        return None


_openssl = _load()


def _go_on(ok: int, store: int | None) -> int:
    """The handshake goes on; OpenSSL remembers what it has found.

    But not in its queue of errors, where the next read would take it for its own.
    """
    if not ok and _openssl is not None:
        _openssl.clear_errors()
    return 1


_GO_ON = _Verify(_go_on)


class PeerCertificate(NamedTuple):
    """A certificate in DER. ``problem``: why OpenSSL does not trust it; empty if it does."""

    der: bytes
    problem: str


def ask_for_certificates(context: ssl.SSLContext) -> bool:
    """Lets servers that connect show a certificate; the authorities are those of the context.

    Returns False, and leaves the context as it is, if this build of Python does not make it possible.
    """
    probe = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    connection = connection_of(probe)
    if _openssl is None or connection is None:
        return False
    pointer = _openssl.context_of(connection)
    if _openssl.set_purpose(pointer, _PURPOSE_SSL_SERVER) != 1:
        return False
    _openssl.set_verify(pointer, _VERIFY_PEER, _GO_ON)
    # a resumed session would show the certificate of another time
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return True


def peer_certificate(tls: ssl.SSLObject) -> PeerCertificate | None:
    """The certificate that the peer has shown, after the handshake; None if it has shown none."""
    connection = connection_of(tls)
    der = tls.getpeercert(binary_form=True)
    if _openssl is None or connection is None or not der:
        return None
    result = _openssl.result(connection)
    text = _openssl.text(result) or b"not verified"
    return PeerCertificate(der, "" if result == _OK else text.decode())
