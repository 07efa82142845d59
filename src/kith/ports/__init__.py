"""What the server asks of others: of a store, a connection, who sends text messages.

`kith.store`, `kith.edge` and `kith.sms` implement these; only `kith.server` puts them together.
"""
