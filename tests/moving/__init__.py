"""Accounts come from other servers and go to them (XEP-0227)."""
