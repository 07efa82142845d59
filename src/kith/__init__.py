"""Kith: a messenger that anyone can run, end-to-end encrypted, on XMPP."""

__version__ = "0.1.0"
