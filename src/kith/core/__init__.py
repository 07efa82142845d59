"""The core of the server: accounts and sessions, routing, presence, and the rules of the log.

It knows no feature, store or socket by name. docs/architecture.md describes its packages.
"""
