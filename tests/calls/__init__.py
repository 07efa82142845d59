"""Calls: relays, STUN."""
