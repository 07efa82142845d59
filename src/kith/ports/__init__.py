"""What the server asks of others: of a store, a connection, other nodes, who sends text messages.

`kith.store`, `kith.edge`, `kith.bus` and `kith.sms` implement these; only `kith.server` puts them together.
"""
