"""Accounts of this domain that other nodes own: stanzas for them go to their owners, and theirs come in.

A node that is alone has none of this. What travels is in docs/protocol.md.
"""
