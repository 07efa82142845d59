"""What a message server is: sessions, routing, presence, the log's rules; and the ports.

Imports `kith.wire` only. Knows no feature, no store and no socket by name.
"""
