"""The log and everything else that lasts. Implements `kith.ports.store.Store`; only `kith.server` and
`kith.cli` import it."""
