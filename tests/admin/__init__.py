"""Operators: bans, the admin API, and commands."""
