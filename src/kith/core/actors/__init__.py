"""What has a name and lives in one place: accounts with their sessions, and who has sent a stanza.

Imports nothing of the core's other rooms.
"""
