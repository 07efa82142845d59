"""XMPP as data: bytes in, stanzas out, and back. No sockets, no clock, no storage.

This package imports nothing else of Kith. Every other package of the server may import it.
"""
