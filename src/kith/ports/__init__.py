"""Ports: the interfaces between the core and the store, connections, other nodes, and SMS providers.

`kith.store`, `kith.edge`, `kith.bus` and `kith.sms` implement them; `kith.server` connects them.
"""
