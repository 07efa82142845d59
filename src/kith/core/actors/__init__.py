"""Actors: accounts with their sessions and rosters, and the senders of stanzas.

Imports nothing from the core's other packages.
"""
