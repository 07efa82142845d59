"""The SQLite store: implements `kith.ports.store.Store`. Only `kith.server` and `kith.commands` import it."""
