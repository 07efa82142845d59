"""Stanzas to and from accounts of this domain that other nodes own.

A node that runs alone uses none of this. docs/protocol.md describes what nodes send to each other.
"""
