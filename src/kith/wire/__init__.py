"""XMPP as data: bytes in, stanzas out, and back. No sockets, no clock, no storage.

This room imports nothing else of Kith; every other room of the server may import it.
"""
