"""Kith: a messenger that anyone can run, end-to-end encrypted, on XMPP."""

#: The one place where the version stands; CONTRIBUTING.md says what a version number promises.
__version__ = "0.2.0"
